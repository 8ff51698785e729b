package store

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// unscoped are the functions that use GORM's handle and need no condition on the workspace.
var unscoped = map[string]string{
	"each":        "runs SQL that is written out",
	"exec":        "runs SQL that is written out",
	"build":       "the callers have the condition",
	"CreateToken": "the row has a workspace",
	"HasTokens":   "asks for tokens of any workspace",
	"TokenByHash": "the workspace is not known yet",
	"tokens":      "the callers have the condition",
	"Tokens":      "tokensOf has the condition",
}

// ofAll are the beginnings of the statements of background jobs that are of all workspaces.
var ofAll = []string{
	dropKeys, countUnlinked, findUnscheduled, "SELECT , (SELECT min(due_at) FROM health_checks)",
	dropChanges, strings.Split(numberChanges, changesChannel)[0],
	"UPDATE changes SET webhook_due_at = , webhook_attempts", dropWebhooks, countWaitingWebhooks,
}

// TestStatementsNameTheWorkspace checks that what reads or changes rows demands a
// workspace: the statements that are written as SQL, where it is the first
// parameter, and those that GORM builds.
func TestStatementsNameTheWorkspace(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	statement := regexp.MustCompile(`(?s)^(WITH|SELECT|UPDATE|DELETE)\b.*\b(providers|models|model_references|tokens|audit_events|audit_heads|idempotency_keys|health_checks|changes)\b`)
	scoped := regexp.MustCompile(`\bworkspace = (\$1|[eu]\.workspace|v\.value)\b`) // e are new credentials or checks, and u uses of tokens, each with its workspace; v are workspaces
	checked, built := 0, 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			text, ok := sqlOf(n)
			if ok && statement.MatchString(text) {
				checked++
				ofAll := slices.ContainsFunc(ofAll, func(known string) bool { return strings.HasPrefix(text, known) })
				if !scoped.MatchString(text) && !strings.Contains(text, "where(") && !ofAll {
					t.Errorf("%s: a statement without a workspace: %s", name, text)
				}
			}
			return !ok
		})
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || unscoped[f.Name.Name] != "" {
				continue
			}
			uses, conditions := gormIn(f)
			if uses && len(conditions) == 0 {
				t.Errorf("%s: %s uses GORM without a condition", name, f.Name.Name)
			}
			for _, condition := range conditions {
				built++
				if !strings.HasPrefix(condition, "workspace = ? AND ") {
					t.Errorf("%s: %s has a condition that does not begin with the workspace: %q", name, f.Name.Name, condition)
				}
			}
		}
	}
	if checked < 8 || built < 2 {
		t.Errorf("only %d statements and %d conditions of GORM were found", checked, built)
	}
}

// gormIn reports whether a function uses GORM, and returns the conditions that it
// passes to it. A condition that is not written out is empty.
func gormIn(f *ast.FuncDecl) (uses bool, conditions []string) {
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		method, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		switch method.Sel.Name {
		case "run", "build", "tokens":
			uses = true
		case "Where":
			condition, _ := sqlOf(call.Args[0])
			conditions = append(conditions, condition)
		}
		return true
	})
	return uses, conditions
}

// sqlOf returns the text of a string, or of strings that are added up; a part
// that is not written out is its source's name.
func sqlOf(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(n.Value)
		return text, n.Kind == token.STRING && err == nil
	case *ast.BinaryExpr:
		left, ok := sqlOf(n.X)
		right, _ := sqlOf(n.Y)
		return left + right, ok
	case *ast.CallExpr: // such as c.text.String(), which where began
		if f, ok := n.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "String" {
			return " where(", true
		}
	}
	return "", false
}
