package provider

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// RuleTable is a table of rules as docs/providers.md shows it.
type RuleTable struct {
	Title string
	Rows  []RuleRow
}

// RuleRow is a rule as a row of a table in Markdown.
type RuleRow struct {
	Rule any // its identity
	Text string
}

// RuleTables are the tables of the types, in their order, and those that all share.
func RuleTables() []RuleTable {
	var all []RuleTable
	for _, table := range ruleTables {
		if len(table.rules) > 0 {
			all = append(all, RuleTable{table.title, ruleRows(table.rules)})
		}
	}
	return all
}

type listedTable struct {
	variable string
	title    string
	rules    []rule
}

// ruleTables are all tables, with the names of their variables; see
// [TestRuleTablesAreListed].
var ruleTables = []listedTable{
	{"openAITables", "OpenAI", openAITables.rules},
	{"claudeTables", "Anthropic", claudeTables.rules},
	{"azureTables", "Azure OpenAI", azureTables.rules},
	{"azureEntraRules", "Azure OpenAI with Microsoft Entra ID", azureEntraRules},
	{"entraTokenTables", "Microsoft Entra ID's token endpoint", entraTokenTables.rules},
	{"bedrockTables", "AWS Bedrock", bedrockTables.rules},
	{"bedrockRoleTables", "AWS Bedrock, called with a role", bedrockRoleTables.rules},
	{"stsTables", "AWS STS", stsTables.rules},
	{"vertexTables", "GCP Vertex AI", vertexTables.rules},
	{"googleTokenTables", "Google's token endpoint", googleTokenTables.rules},
	{"customTables", "Custom (LiteLLM)", customTables.rules},
	{"commonRules", "Common", commonRules},
	{"statusRules", "Statuses", statusRules},
}

func ruleRows(rules []rule) []RuleRow {
	scopes := []string{"", "account", "model", "no API", "gateway", "tools"}
	var rows []RuleRow
	for i := range rules {
		r := &rules[i]
		cells := []string{r.status, r.code, r.param, r.words, string(r.kind), scopes[r.scope], r.hint}
		for i, cell := range cells {
			cells[i] = strings.ReplaceAll(cell, "|", " · ")
		}
		rows = append(rows, RuleRow{r, fmt.Sprintf("| %s |", strings.Join(cells, " | "))})
	}
	return rows
}

// TestRuleTablesAreListed finds tables in the source that ruleTables leaves out: no
// case would be asked of their rules.
func TestRuleTablesAreListed(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range tableVariable.FindAllSubmatch(source, -1) {
			found++
			name := string(match[1])
			if !slices.ContainsFunc(ruleTables, func(table listedTable) bool { return table.variable == name }) {
				t.Errorf("%s: the table %s is not in ruleTables of export_test.go", file, name)
			}
		}
	}
	if found != len(ruleTables) {
		t.Errorf("%d tables are in the source, and %d in ruleTables", found, len(ruleTables))
	}
}

var tableVariable = regexp.MustCompile(`(?m)^var (\w+) = (?:tables|\[\]rule)\{`)

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
