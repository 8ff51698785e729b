package store

import (
	"database/sql"
	"strings"

	"gorm.io/gorm"
	"gorm.io/gorm/callbacks"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/logger"
	"gorm.io/gorm/schema"
)

// sqliteDialector is the SQL of SQLite for GORM, as far as this package needs it.
// GORM's own package always imports the SQLite library in C, which every build
// with a C compiler would compile and link.
type sqliteDialector struct{ db *sql.DB }

// Name implements [gorm.Dialector].
func (sqliteDialector) Name() string { return "sqlite" }

// Initialize implements [gorm.Dialector].
func (d sqliteDialector) Initialize(db *gorm.DB) error {
	db.ConnPool = d.db
	callbacks.RegisterDefaultCallbacks(db, &callbacks.Config{
		CreateClauses: []string{"INSERT", "VALUES", "ON CONFLICT"},
		UpdateClauses: []string{"UPDATE", "SET", "WHERE"},
		DeleteClauses: []string{"DELETE", "FROM", "WHERE"},
	})
	// SQLite has no row locks: a transaction that writes locks the whole file.
	db.ClauseBuilders["FOR"] = func(clause.Clause, clause.Builder) {}
	return nil
}

// Migrator implements [gorm.Dialector]. The schema is goose's.
func (sqliteDialector) Migrator(*gorm.DB) gorm.Migrator { return nil }

// DataTypeOf implements [gorm.Dialector]; only a migrator would ask.
func (sqliteDialector) DataTypeOf(field *schema.Field) string { return string(field.DataType) }

// DefaultValueOf implements [gorm.Dialector]; no column has a default.
func (sqliteDialector) DefaultValueOf(*schema.Field) clause.Expression {
	return clause.Expr{SQL: "NULL"}
}

// BindVarTo implements [gorm.Dialector].
func (sqliteDialector) BindVarTo(writer clause.Writer, _ *gorm.Statement, _ any) {
	_ = writer.WriteByte('?')
}

// QuoteTo implements [gorm.Dialector] for `column` and `table.column`.
func (sqliteDialector) QuoteTo(writer clause.Writer, name string) {
	if table, column, qualified := strings.Cut(name, "."); qualified {
		quote(writer, table)
		_ = writer.WriteByte('.')
		name = column
	}
	quote(writer, name)
}

func quote(writer clause.Writer, name string) {
	_ = writer.WriteByte('"')
	_, _ = writer.WriteString(strings.ReplaceAll(name, `"`, `""`))
	_ = writer.WriteByte('"')
}

// Explain implements [gorm.Dialector]; only a logger would ask.
func (sqliteDialector) Explain(sql string, vars ...any) string {
	return logger.ExplainSQL(sql, nil, `'`, vars...)
}
