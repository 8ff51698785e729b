package app

import (
	"context"
	"errors"
	"io"
	"time"

	"modelproviders/api"
	"modelproviders/pkg/audit"
	"modelproviders/pkg/audit/chain"
	"modelproviders/pkg/auth"
)

// Operator is the operator's access to the data, for the command line. It needs no
// running service, and has all scopes in every workspace.
type Operator struct {
	cfg  Config
	data *data
}

// OpenOperator opens the database and the keyset. With mayCreate it creates them if
// they are missing; otherwise that is an error, because an empty database must not
// verify as OK.
func OpenOperator(ctx context.Context, cfg Config, mayCreate bool) (*Operator, error) {
	cfg = cfg.withDefaults()
	if wrong := cfg.CheckData(); len(wrong) > 0 {
		return nil, wrong
	}
	d, err := openData(ctx, cfg, !mayCreate)
	if err != nil {
		return nil, err
	}
	return &Operator{cfg: cfg, data: d}, nil
}

// Close links the new audit events and closes the database.
func (o *Operator) Close(ctx context.Context) error {
	return errors.Join(o.data.events.Link(ctx), o.data.store.Close())
}

// Token is an API token. Its JSON is that of the API.
type Token struct {
	auth.Token
	Value string // only if the token has just been created
}

// MarshalJSON implements [json.Marshaler].
func (t Token) MarshalJSON() ([]byte, error) { return api.MarshalToken(t.Token, t.Value) }

// CreateToken makes a token and returns it with its value.
func (o *Operator) CreateToken(ctx context.Context, workspace, name, role string, expires *time.Time) (Token, error) {
	value, token, err := o.data.tokens.Create(ctx, auth.Operator(workspace), auth.NewToken{Name: name, Role: &role, ExpiresAt: expires})
	return Token{Token: token, Value: value}, err
}

// Tokens returns the unrevoked tokens of a workspace, newest first.
func (o *Operator) Tokens(ctx context.Context, workspace string) ([]Token, error) {
	found, err := o.data.tokens.List(ctx, workspace, auth.TokenQuery{})
	tokens := make([]Token, len(found))
	for i, token := range found {
		tokens[i].Token = token
	}
	return tokens, err
}

// RevokeToken revokes a token, even the last admin token of its workspace.
func (o *Operator) RevokeToken(ctx context.Context, workspace, id string) error {
	return o.data.tokens.Revoke(ctx, auth.Operator(workspace), id)
}

// AuditReport says whether the audit chain of a workspace is intact.
type AuditReport = chain.Report

// VerifyAudit checks the audit chain of every workspace.
func (o *Operator) VerifyAudit(ctx context.Context) ([]AuditReport, error) {
	return o.data.events.Verify(ctx)
}

// ExportAudit writes the audit events of a workspace as JSON lines, newest first.
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
