package provider_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"modelproviders/pkg/provider"
	"modelproviders/pkg/provider/providertest"
)

var update = flag.Bool("update", false, "write docs/providers.md from the run")

// scenario is one thing that every type has to do right.
type scenario struct {
	name string
	says string // the expected result, for docs/providers.md
	// mode is what the service must be able to answer; a service that has no
	// such answer is left out. Empty: any service.
	mode providertest.Mode
	run  func(t *testing.T, server *providertest.Server)
}

// fits reports whether the service of a fake is capable of the scenario.
func (s scenario) fits(fake providertest.Fake) bool {
	return s.mode == "" || knows(fake, s.mode)
}

// TestConformance runs every scenario for every type against the fakes of its
// upstream, and checks that docs/providers.md is up to date.
func TestConformance(t *testing.T) {
	cells := map[string]map[string]string{}
	complete := true
	for _, s := range scenarios() {
		cells[s.name] = map[string]string{}
		for _, fake := range providertest.Variants(t) {
			if !s.fits(fake) {
				cells[s.name][column(fake)] = "–"
				continue
			}
			ran := false
			passed := t.Run(s.name+"/"+column(fake), func(t *testing.T) {
				ran = true
				s.run(t, providertest.Start(t, fake))
			})
			complete = complete && ran && passed
			cells[s.name][column(fake)] = "✓"
		}
	}
	if complete {
		var columns []string
		for _, fake := range providertest.Variants(t) {
			columns = append(columns, column(fake))
		}
		checkTable(t, page(columns, cells))
	}
}

// column is the title of a fake's column in docs/providers.md.
func column(fake providertest.Fake) string {
	typ, _ := provider.Lookup(fake.Type)
	title := typ.Form().Label
	if fake.Variant != "" {
		title += ", " + fake.Variant
	}
	return title
}

// knows reports whether a service has an answer of its own for a mode.
func knows(fake providertest.Fake, mode providertest.Mode) bool {
	_, ok := fake.Answer(&providertest.Request{Method: "POST", Header: map[string][]string{}, Body: []byte(`{"stream":true}`)}, mode)
	return ok
}

const tablePath = "../../docs/providers.md"

// checkTable checks that docs/providers.md is the wanted page, or writes it.
func checkTable(t *testing.T, want string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(tablePath, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(tablePath)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("docs/providers.md is out of date; write it with: go test ./pkg/provider -run Conformance -update")
	}
}

func page(columns []string, cells map[string]map[string]string) string {
	var b strings.Builder
	b.WriteString(`# Provider types: tested scenarios and classification of errors

This page is written by ` + "`go test ./pkg/provider -run Conformance -update`" + `. The same test fails if it is out of date.

## Scenarios

Each ✓ is a test of the type's client with the transport of ` + "`pkg/egress`" + `, against a fake upstream that refuses what the real service refuses. – means that the service has no such response.

| scenario | expected result`)
	for _, title := range columns {
		b.WriteString(" | " + title)
	}
	b.WriteString(" |\n|---|---" + strings.Repeat("|:-:", len(columns)) + "|\n")
	for _, s := range scenarios() {
		fmt.Fprintf(&b, "| %s | %s", s.name, s.says)
		for _, title := range columns {
			b.WriteString(" | " + cells[s.name][title])
		}
		b.WriteString(" |\n")
	}
	b.WriteString(`
## Rules for errors

Errors of upstreams are classified by the rules of the type, then by the common rules, then by the rules for statuses. The first row decides whose non-empty cells all match:

- status: the HTTP status
- code: one of these is the code, the type or the textual status of the error
- parameter: the parameter that the error names
- words: one of these phrases is in the message, in any case

` + "`*`" + ` stands for any text. A row without a kind only sets what the failure concerns. If no row sets it, it follows from the kind. Rows that concern *no API* are skipped if the message mentions a model. Each row has a case in ` + "`pkg/provider/testdata/cases`" + `.
`)
	for _, table := range provider.RuleTables() {
		fmt.Fprintf(&b, "\n### %s\n\n| status | code | parameter | words | kind | concerns | hint |\n|---|---|---|---|---|---|---|\n", table.Title)
		for _, row := range table.Rows {
			b.WriteString(row.Text + "\n")
		}
	}
	return b.String()
}

// TestManyAtOnce has 64 prompts in flight on one client of each fake.
func TestManyAtOnce(t *testing.T) {
	for _, fake := range providertest.Variants(t) {
		t.Run(column(fake), func(t *testing.T) {
			client := open(t, providertest.Start(t, fake))
			var group sync.WaitGroup
			for i := range 64 {
				group.Go(func() {
					if result, _ := client.generate(t, i%2 == 0); result.Failure != nil || result.Response != providertest.Text {
						t.Errorf("result %+v", result)
					}
				})
			}
			group.Wait()
		})
	}
}

func BenchmarkGenerate(b *testing.B) {
	for _, fake := range providertest.Fakes(b) {
		b.Run(fake.Type, func(b *testing.B) {
			client := open(b, providertest.Start(b, fake))
			for b.Loop() {
				if r := client.Generate(context.Background(), client.prompt(), nil); r.Failure != nil {
					b.Fatal(r.Failure)
				}
			}
		})
	}
}
