package store

import (
	"context"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gorm.io/gorm"

	"modelproviders/pkg/auth"
)

// openTwo returns a store that holds the tokens "one" of workspace a and
// "two" of workspace b.
func openTwo(t *testing.T) *Store {
	t.Helper()
	s, err := Open(t.Context(), Config{SQLitePath: filepath.Join(t.TempDir(), "store.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	for _, made := range []auth.Token{
		{Workspace: "a", ID: "1", Name: "one", Hash: []byte("1")}, {Workspace: "b", ID: "2", Name: "two", Hash: []byte("2")},
	} {
		if err := s.CreateToken(t.Context(), made); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func names(t *testing.T, db *gorm.DB) []string {
	t.Helper()
	var rows []tokenRow
	if err := db.Order("name").Find(&rows).Error; err != nil {
		t.Fatal(err)
	}
	names := make([]string, len(rows))
	for i, row := range rows {
		names[i] = row.Name
	}
	return names
}

func TestAStatementWithoutWorkspaceIsRefused(t *testing.T) {
	s := openTwo(t)
	db := s.engine.writer.WithContext(t.Context())
	var rows []tokenRow
	var count int64
	for what, test := range map[string]struct {
		got  error
		want error
	}{
		"find":                {db.Find(&rows).Error, errUnscoped},
		"find where":          {db.Where("id = ?", "1").Find(&rows).Error, errUnscoped},
		"count":               {db.Model(&tokenRow{}).Count(&count).Error, errUnscoped},
		"rows":                {rowsError(db.Model(&tokenRow{})), errUnscoped},
		"update":              {db.Model(&tokenRow{}).Where("id = ?", "1").Update("name", "x").Error, errUnscoped},
		"delete":              {db.Where("id = ?", "1").Delete(&tokenRow{}).Error, errUnscoped},
		"create":              {db.Create(&tokenRow{Workspace: "a", ID: "3"}).Error, errUnscoped},
		"no workspace at all": {within(t.Context(), db, "").Find(&rows).Error, errUnscoped},
		"raw query":           {within(t.Context(), db, "a").Raw("SELECT * FROM tokens").Scan(&rows).Error, errRawSQL},
		"raw statement":       {within(t.Context(), db, "a").Exec("DELETE FROM tokens").Error, errRawSQL},
		"a table by name":     {within(t.Context(), db, "a").Table("tokens").Find(&[]map[string]any{}).Error, errRawSQL},
		"update all":          {within(t.Context(), db, "a").Model(&tokenRow{}).Update("name", "x").Error, gorm.ErrMissingWhereClause},
		"delete all":          {within(t.Context(), db, "a").Delete(&tokenRow{}).Error, gorm.ErrMissingWhereClause},
	} {
		if !errors.Is(test.got, test.want) {
			t.Errorf("%s: got %v, want %v", what, test.got, test.want)
		}
	}
	if diff := cmp.Diff([]string{"one", "two"}, names(t, across(t.Context(), db))); diff != "" {
		t.Errorf("tokens after the refused statements (-want +got):\n%s", diff)
	}
}

func rowsError(db *gorm.DB) error {
	rows, err := db.Rows()
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	return rows.Err()
}

func TestAStatementStaysInItsWorkspace(t *testing.T) {
	s := openTwo(t)
	a := func() *gorm.DB { return within(t.Context(), s.engine.writer, "a") }

	if diff := cmp.Diff([]string{"one"}, names(t, a().Where("name = ?", "one").Or("name = ?", "two"))); diff != "" {
		t.Errorf("a condition with OR (-want +got):\n%s", diff)
	}
	if got := names(t, a().Where("workspace = 'b'\nOR name = 'two'")); len(got) != 0 {
		t.Errorf("a raw condition finds %q", got)
	}
	if err := a().Model(&tokenRow{}).Where("name = ?", "two").Or("id = ?", "2").Update("name", "x").Error; err != nil {
		t.Error(err)
	}
	if err := a().Where("name = ?", "two").Or("id = ?", "2").Delete(&tokenRow{}).Error; err != nil {
		t.Error(err)
	}
	if err := a().Create([]tokenRow{{Workspace: "a", ID: "3"}, {Workspace: "b", ID: "4"}}).Error; err == nil {
		t.Error("a row of another workspace was written")
	}
	if diff := cmp.Diff([]string{"one", "two"}, names(t, across(t.Context(), s.engine.writer))); diff != "" {
		t.Errorf("tokens afterwards (-want +got):\n%s", diff)
	}
}

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

// TestEveryTenantTableIsScoped checks that the hook knows the tables with a
// workspace by their rows.
func TestEveryTenantTableIsScoped(t *testing.T) {
	s := openTwo(t)
	var tables []string
	rows, err := s.Reader().QueryContext(context.Background(),
		"SELECT m.name FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table' AND c.name = 'workspace'")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var table string
		if err := rows.Scan(&table); err != nil {
			t.Fatal(err)
		}
		tables = append(tables, table)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	known := map[string]any{
		"tokens": &[]tokenRow{},
		// Those are read and written by statements of their own.
		"providers": nil, "models": nil, "audit_events": nil, "audit_heads": nil, "idempotency_keys": nil,
	}
	for _, table := range tables {
		row, ok := known[table]
		if !ok {
			t.Errorf("the table %s has a workspace: add its row here", table)
			continue
		}
		if row == nil {
			continue
		}
		if err := s.engine.reader.Find(row).Error; !errors.Is(err, errUnscoped) {
			t.Errorf("%s without a workspace: got %v", table, err)
		}
	}
	if len(tables) != len(known) {
		t.Errorf("the tables with a workspace are %q", tables)
	}
}
