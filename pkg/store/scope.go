package store

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/schema"
)

// workspaceColumn is the column of rows that belong to a workspace.
const workspaceColumn = "workspace"

// scope says whose rows a statement sees: those of one workspace, or of all.
type scope struct {
	workspace string
	all       bool
}

type scopeKey struct{}

// within returns a handle whose statements see the rows of one workspace.
func within(ctx context.Context, db *gorm.DB, workspace string) *gorm.DB {
	return db.WithContext(context.WithValue(ctx, scopeKey{}, scope{workspace: workspace}))
}

// across returns a handle whose statements see the rows of every workspace.
func across(ctx context.Context, db *gorm.DB) *gorm.DB {
	return db.WithContext(context.WithValue(ctx, scopeKey{}, scope{all: true}))
}

var (
	errUnscoped = errors.New("statement without a workspace on rows that belong to one")
	errRawSQL   = errors.New("raw SQL can't be scoped to a workspace")
)

// registerScope adds the workspace to every statement on rows that belong to one,
// and refuses statements without one.
func registerScope(db *gorm.DB) error {
	const name = "store:workspace"
	callbacks := db.Callback()
	return errors.Join(
		callbacks.Query().Before("gorm:query").Register(name, scopeCondition),
		callbacks.Row().Before("gorm:row").Register(name, scopeCondition),
		callbacks.Update().Before("gorm:update").Register(name, scopeChange),
		callbacks.Delete().Before("gorm:delete").Register(name, scopeChange),
		callbacks.Create().Before("gorm:create").Register(name, scopeNewRows),
		callbacks.Raw().Before("gorm:raw").Register(name, func(db *gorm.DB) { _ = db.AddError(errRawSQL) }),
	)
}

// scopeCondition puts `workspace = …` before the conditions of a statement, which
// go into parentheses: they may contain an OR.
func scopeCondition(db *gorm.DB) {
	column, of := scopeOf(db)
	if column == nil || of.all {
		return
	}
	conditions := []clause.Expression{
		clause.Eq{Column: clause.Column{Table: clause.CurrentTable, Name: workspaceColumn}, Value: of.workspace},
	}
	where := db.Statement.Clauses["WHERE"]
	if rest, ok := where.Expression.(clause.Where); ok {
		conditions = append(conditions, parentheses{rest})
	}
	where.Name, where.Expression = "WHERE", clause.Where{Exprs: conditions}
	db.Statement.Clauses["WHERE"] = where
}

type parentheses struct{ clause.Where }

// Build implements [clause.Expression].
func (p parentheses) Build(builder clause.Builder) {
	_ = builder.WriteByte('(')
	p.Where.Build(builder)
	_ = builder.WriteByte(')')
}

// scopeChange is scopeCondition for statements that change rows. It refuses to
// change all of them, which GORM would allow because of the added condition.
func scopeChange(db *gorm.DB) {
	if _, ok := db.Statement.Clauses["WHERE"]; !ok {
		_ = db.AddError(gorm.ErrMissingWhereClause)
	}
	scopeCondition(db)
}

// scopeNewRows refuses new rows of another workspace.
func scopeNewRows(db *gorm.DB) {
	column, of := scopeOf(db)
	if column == nil {
		return
	}
	check := func(row reflect.Value) {
		if workspace, _ := column.ValueOf(db.Statement.Context, row); workspace != any(of.workspace) {
			_ = db.AddError(fmt.Errorf("row of workspace %q written in workspace %q", workspace, of.workspace))
		}
	}
	switch rows := db.Statement.ReflectValue; rows.Kind() {
	case reflect.Slice, reflect.Array:
		for i := range rows.Len() {
			check(reflect.Indirect(rows.Index(i)))
		}
	default:
		check(rows)
	}
}

// scopeOf returns the workspace column of the rows of a statement, nil when they
// have none, and the scope of the statement. The statement fails when either is
// unknown.
func scopeOf(db *gorm.DB) (*schema.Field, scope) {
	statement := db.Statement
	if db.Error != nil {
		return nil, scope{}
	}
	if statement.SQL.Len() > 0 || statement.Schema == nil {
		_ = db.AddError(errRawSQL)
		return nil, scope{}
	}
	column := statement.Schema.LookUpField(workspaceColumn)
	of, _ := statement.Context.Value(scopeKey{}).(scope)
	if column != nil && of.workspace == "" && !of.all {
		_ = db.AddError(errUnscoped)
		return nil, scope{}
	}
	return column, of
}
