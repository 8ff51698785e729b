package store

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestStatementsNameTheWorkspace checks the statements that are written as SQL:
// each that reads or changes rows demands a workspace, its first parameter.
func TestStatementsNameTheWorkspace(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	statement := regexp.MustCompile(`(?s)^(WITH|SELECT|UPDATE|DELETE)\b.*\b(providers|models|tokens|audit_events|audit_heads|idempotency_keys)\b`)
	scoped := regexp.MustCompile(`\bworkspace = (\$1|u\.workspace)\b`) // u are uses of tokens, each with its workspace
	checked := 0
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
				special := text == updateModels || text == dropKeys // the rest of one is scoped, the other is for all workspaces
				if !scoped.MatchString(text) && !strings.Contains(text, "where(") && !special {
					t.Errorf("%s: a statement without a workspace: %s", name, text)
				}
			}
			return !ok
		})
	}
	if checked < 8 {
		t.Errorf("only %d statements were found", checked)
	}
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
