package store

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"gorm.io/gorm"

	"modelproviders/pkg/registry"
)

// openTwo returns a store that holds the providers "one" of workspace a and
// "two" of workspace b.
func openTwo(t *testing.T) *Store {
	t.Helper()
	s, err := Open(t.Context(), Config{SQLitePath: filepath.Join(t.TempDir(), "store.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	for _, p := range []registry.Provider{
		{Workspace: "a", ID: "1", Name: "one", NameKey: "one"}, {Workspace: "b", ID: "2", Name: "two", NameKey: "two"},
	} {
		if err := s.CreateProvider(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func names(t *testing.T, db *gorm.DB) []string {
	t.Helper()
	var rows []providerRow
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
	var rows []providerRow
	var count int64
	for what, test := range map[string]struct {
		got  error
		want error
	}{
		"find":                {db.Find(&rows).Error, errUnscoped},
		"find where":          {db.Where("id = ?", "1").Find(&rows).Error, errUnscoped},
		"count":               {db.Model(&providerRow{}).Count(&count).Error, errUnscoped},
		"rows":                {rowsError(db.Model(&providerRow{})), errUnscoped},
		"update":              {db.Model(&providerRow{}).Where("id = ?", "1").Update("name", "x").Error, errUnscoped},
		"delete":              {db.Where("id = ?", "1").Delete(&providerRow{}).Error, errUnscoped},
		"create":              {db.Create(&providerRow{Workspace: "a", ID: "3"}).Error, errUnscoped},
		"no workspace at all": {within(t.Context(), db, "").Find(&rows).Error, errUnscoped},
		"raw query":           {within(t.Context(), db, "a").Raw("SELECT * FROM providers").Scan(&rows).Error, errRawSQL},
		"raw statement":       {within(t.Context(), db, "a").Exec("DELETE FROM providers").Error, errRawSQL},
		"a table by name":     {within(t.Context(), db, "a").Table("providers").Find(&[]map[string]any{}).Error, errRawSQL},
		"update all":          {within(t.Context(), db, "a").Model(&providerRow{}).Update("name", "x").Error, gorm.ErrMissingWhereClause},
		"delete all":          {within(t.Context(), db, "a").Delete(&providerRow{}).Error, gorm.ErrMissingWhereClause},
	} {
		if !errors.Is(test.got, test.want) {
			t.Errorf("%s: got %v, want %v", what, test.got, test.want)
		}
	}
	if got := names(t, across(t.Context(), db)); len(got) != 2 || got[0] != "one" || got[1] != "two" {
		t.Errorf("the refused statements left the providers %q", got)
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

	if got := names(t, a().Where("name = ?", "one").Or("name = ?", "two")); len(got) != 1 || got[0] != "one" {
		t.Errorf("a condition with OR finds %q", got)
	}
	if got := names(t, a().Where("workspace = 'b'\nOR name = 'two'")); len(got) != 0 {
		t.Errorf("a raw condition finds %q", got)
	}
	if err := a().Model(&providerRow{}).Where("name = ?", "two").Or("id = ?", "2").Update("name", "x").Error; err != nil {
		t.Error(err)
	}
	if err := a().Where("name = ?", "two").Or("id = ?", "2").Delete(&providerRow{}).Error; err != nil {
		t.Error(err)
	}
	if err := a().Create([]providerRow{{Workspace: "a", ID: "3"}, {Workspace: "b", ID: "4"}}).Error; err == nil {
		t.Error("a row of another workspace was written")
	}
	if got := names(t, across(t.Context(), s.engine.writer)); len(got) != 2 || got[0] != "one" || got[1] != "two" {
		t.Errorf("the providers are now %q", got)
	}
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
		"providers": &[]providerRow{}, "provider_credentials": &[]credentialRow{}, "models": &[]modelRow{}, "tokens": &[]tokenRow{},
		"audit_events": &[]eventRow{}, "audit_unlinked": &[]unlinkedRow{}, "audit_links": &[]linkRow{}, "audit_heads": &[]headRow{},
		"repeatables": &[]repeatableRow{},
	}
	for _, table := range tables {
		row, ok := known[table]
		if !ok {
			t.Errorf("the table %s has a workspace: add its row here", table)
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

// TestEveryStageHasAColumn fails when a stage is added without a migration.
func TestEveryStageHasAColumn(t *testing.T) {
	for _, stage := range registry.Stages() {
		if (&modelRow{}).stage(stage) == nil {
			t.Errorf("models have no column for the stage %q", stage)
		}
	}
	s := openTwo(t)
	if _, err := s.Models(t.Context(), "a", registry.ModelQuery{Stage: "unheard_of"}); err == nil {
		t.Error("a list of an unknown stage has no error")
	}
}
