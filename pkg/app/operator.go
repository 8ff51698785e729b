package app

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"modelproviders/api"
	"modelproviders/pkg/audit"
	"modelproviders/pkg/audit/chain"
	"modelproviders/pkg/auth"
)

// Operator works on what a service keeps from the command line, beside running
// services or without any. It is bound by no scope.
type Operator struct{ data *data }

// OpenOperator opens database and keyset of a configuration. Close ends it.
// Where there is no database of ours, one is begun if mayBegin, as at a first
// start; else that is an error: nobody shall find all well where nothing is.
func OpenOperator(ctx context.Context, cfg Config, mayBegin bool) (*Operator, error) {
	if err := cfg.checkDatabase(); err != nil {
		return nil, err
	}
	if cfg.DatabaseURL == "" && !mayBegin {
		if _, err := os.Stat(cfg.sqlitePath()); err != nil {
			return nil, fmt.Errorf("MODELPROVIDERS_DATA_DIR: there is no database to look at: %w", err)
		}
	}
	d, err := openData(ctx, cfg.withDefaults(), !mayBegin)
	if err != nil {
		return nil, err
	}
	return &Operator{data: d}, nil
}

// Close links the events of what was done, and closes the database.
func (o *Operator) Close(ctx context.Context) error {
	err := o.data.events.Link(ctx)
	if closeErr := o.data.store.Close(); err == nil {
		err = closeErr
	}
	return err
}

// CreateToken makes a token of a workspace, which exists as soon as something
// names it, and returns its value.
func (o *Operator) CreateToken(ctx context.Context, workspace, name, role string, expires *time.Time) (value string, err error) {
	value, _, err = o.data.tokens.Create(ctx, auth.Operator(workspace), auth.NewToken{Name: name, Role: &role, ExpiresAt: expires})
	return value, err
}

// Tokens returns every token of a workspace that is not revoked, newest first.
func (o *Operator) Tokens(ctx context.Context, workspace string) ([]auth.Token, error) {
	return o.data.tokens.List(ctx, workspace, auth.TokenQuery{})
}

// RevokeToken ends a token of a workspace, even its last admin token.
func (o *Operator) RevokeToken(ctx context.Context, workspace, id string) error {
	return o.data.tokens.Revoke(ctx, auth.Operator(workspace), id)
}

// VerifyAudit checks the audit chain of every workspace.
func (o *Operator) VerifyAudit(ctx context.Context) ([]chain.Report, error) {
	return o.data.events.Verify(ctx)
}

// ExportAudit writes the audit events of a workspace as JSON lines, newest
// first.
func (o *Operator) ExportAudit(ctx context.Context, workspace string, w io.Writer) error {
	for query := (audit.Query{Limit: 100}); ; {
		events, err := o.data.events.Events(ctx, workspace, query)
		if err != nil {
			return err
		}
		for _, e := range events {
			if err := api.WriteAuditEvent(w, e); err != nil {
				return err
			}
		}
		if len(events) < query.Limit {
			return nil
		}
		last := events[len(events)-1].Position()
		query.Before = &last
	}
}
