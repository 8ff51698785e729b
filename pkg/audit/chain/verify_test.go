package chain_test

import (
	"testing"

	"modelproviders/pkg/audit/chain"
)

func TestReportIsOneLine(t *testing.T) {
	for _, test := range []struct {
		report chain.Report
		want   string
	}{
		{chain.Report{Workspace: "acme", Links: 3}, `workspace "acme": intact, 3 links`},
		{chain.Report{Workspace: "acme", Break: &chain.Break{Reason: "the head of the chain was changed"}}, `workspace "acme": the head of the chain was changed`},
		{chain.Report{Workspace: "acme", Break: &chain.Break{Number: 2, Reason: "the event was removed"}}, `workspace "acme", link 2: the event was removed`},
		{chain.Report{Workspace: "acme", Break: &chain.Break{EntryID: "e", Reason: "the event was changed"}}, `workspace "acme", event e: the event was changed`},
		{chain.Report{Workspace: "acme", Break: &chain.Break{Number: 2, EntryID: "e", Reason: "the event was changed"}}, `workspace "acme", link 2, event e: the event was changed`},
	} {
		if got := test.report.String(); got != test.want {
			t.Errorf("got %s, want %s", got, test.want)
		}
	}
}
