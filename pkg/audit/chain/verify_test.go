package chain_test

import (
	"testing"

	"modelproviders/pkg/audit/chain"
)

func TestBreakIsOneLine(t *testing.T) {
	for _, test := range []struct {
		broken chain.Break
		want   string
	}{
		{chain.Break{Reason: "the head of the chain was changed"}, `the head of the chain was changed`},
		{chain.Break{Number: 2, Reason: "the event was removed"}, `link 2: the event was removed`},
		{chain.Break{EntryID: "e", Reason: "the event was changed"}, `event e: the event was changed`},
		{chain.Break{Number: 2, EntryID: "e", Reason: "the event was changed"}, `link 2, event e: the event was changed`},
	} {
		if got := test.broken.String(); got != test.want {
			t.Errorf("got %s, want %s", got, test.want)
		}
	}
}
