package provider

import (
	"fmt"
	"slices"
	"strings"
)

// RuleTables names the tables of rules: those of the types, in the order of the
// types, and those that all share.
func RuleTables() []string {
	var names []string
	for _, t := range allTables() {
		names = append(names, t.name)
	}
	return names
}

// allTables are the tables that have rules.
func allTables() []tables {
	var all []tables
	for _, typ := range table {
		all = append(all, typ.errorTables()...)
	}
	all = append(all, tables{name: "Common", rules: commonRules}, tables{name: "Statuses", rules: statusRules})
	return slices.DeleteFunc(all, func(t tables) bool { return len(t.rules) == 0 })
}

func rulesOf(table string) []rule {
	all := allTables()
	return all[slices.IndexFunc(all, func(t tables) bool { return t.name == table })].rules
}

// RuleRow is a rule as docs/providers.md shows it.
type RuleRow struct {
	Rule any // its identity
	Text string
}

// RuleRows are the rows of a table.
func RuleRows(table string) []RuleRow {
	owners := []string{"", "account", "model", "no API", "gateway"}
	var rows []RuleRow
	for i := range rulesOf(table) {
		r := &rulesOf(table)[i]
		cells := []string{r.status, r.code, r.param, r.words, string(r.kind), owners[r.whose], r.hint}
		for i, cell := range cells {
			cells[i] = strings.ReplaceAll(cell, "|", " · ")
		}
		rows = append(rows, RuleRow{r, fmt.Sprintf("| %s |", strings.Join(cells, " | "))})
	}
	return rows
}

// RulesOf are the rules that told the failure.
func RulesOf(f *Failure) []any {
	var all []any
	for _, r := range f.rules {
		all = append(all, r)
	}
	return all
}

// Cut stands where a secret was.
const Cut = cut

// EscapeNonASCII is what the redactor looks for beside the secret itself.
func EscapeNonASCII(s string) string { return escapeNonASCII(s) }

// Redact cuts a secret out of a text.
func Redact(secret, text string) string { return redactorOf(secret).text(text) }

// RedactPieces cuts a secret out of a text that comes in pieces of a size.
func RedactPieces(secret, text string, size int) string {
	return pieces(redactorOf(secret), text, size)
}

// EndpointsByName are the endpoints, by the name of the service.
func EndpointsByName(e Endpoints) map[string]string { return e.byName }
