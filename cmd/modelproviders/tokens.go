package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"modelproviders/pkg/app"
)

// tokensCommand manages the API tokens of any workspace.
type tokensCommand struct {
	Create createTokenCommand `cmd:"" help:"Create a token and print it."`
	List   listTokensCommand  `cmd:"" help:"List the tokens of a workspace."`
	Revoke revokeTokenCommand `cmd:"" help:"Revoke a token, even the last admin token of a workspace."`
}

// operate runs a command on the data of a service, which may be running. With
// mayCreate it creates the data if there is none.
func operate(ctx context.Context, cfg app.Config, mayCreate bool, command func(*app.Operator) error) error {
	operator, err := app.OpenOperator(ctx, cfg, mayCreate)
	if err != nil {
		return err
	}
	return errors.Join(command(operator), operator.Close(ctx))
}

type createTokenCommand struct {
	dataFlags
	outputFlags
	Name      string        `required:"" help:"Name of the token."`
	Role      string        `required:"" enum:"viewer,editor,admin" help:"Role of the token: viewer, editor or admin."`
	Workspace string        `default:"default" help:"Workspace of the token. A workspace need not be created first."`
	ExpiresIn time.Duration `help:"How long the token is valid, such as 720h; by default forever."`
}

// Help is shown by --help.
func (createTokenCommand) Help() string {
	return `Prints the value of the new token, which can't be shown again. The service may be running. Viewers read; editors also write, test, and register what depends on models; admins also reveal credentials, manage tokens and read audit events.

    modelproviders tokens create --name 'acme admin' --role admin --workspace acme`
}

// Run creates a token and prints its value.
func (c createTokenCommand) Run(ctx context.Context, out streams) error {
	var expires *time.Time
	if c.ExpiresIn != 0 {
		at := time.Now().Add(c.ExpiresIn)
		expires = &at
	}
	return operate(ctx, c.config(out), true, func(operator *app.Operator) error {
		token, err := operator.CreateToken(ctx, c.Workspace, c.Name, c.Role, expires)
		if err != nil {
			return err
		}
		out.note("Created the token %s. Store it safely: it can't be shown again.", token.ID)
		return printRecords(out, c.outputFlags, []column[app.Token]{{"", func(t app.Token) string { return t.Value }}}, token)
	})
}

type listTokensCommand struct {
	dataFlags
	outputFlags
	Workspace string `default:"default" help:"The workspace."`
}

// Help is shown by --help.
func (listTokensCommand) Help() string {
	return `Lists the tokens that have not been revoked, newest first, without their values. The service may be running.

    modelproviders tokens list --workspace acme
    modelproviders tokens list --json | jq -r 'select(.last_used_at == null) | .id'`
}

// Run prints the tokens of a workspace.
func (c listTokensCommand) Run(ctx context.Context, out streams) error {
	return operate(ctx, c.config(out), false, func(operator *app.Operator) error {
		tokens, err := operator.Tokens(ctx, c.Workspace)
		if err != nil {
			return err
		}
		return printRecords(out, c.outputFlags, tokenColumns(), tokens...)
	})
}

func tokenColumns() []column[app.Token] {
	return []column[app.Token]{
		{"ID", func(t app.Token) string { return t.ID }},
		{"NAME", func(t app.Token) string { return t.Name }},
		{"ROLE", func(t app.Token) string { return string(t.Role) }},
		{"SCOPES", func(t app.Token) string { return strings.Trim(fmt.Sprint(t.Scopes), "[]") }},
		{"CREATED", func(t app.Token) string { return t.CreatedAt.Format(time.RFC3339) }},
		{"EXPIRES", func(t app.Token) string { return timeOrNever(t.ExpiresAt) }},
		{"LAST USED", func(t app.Token) string { return timeOrNever(t.LastUsedAt) }},
	}
}

func timeOrNever(t *time.Time) string {
	if t == nil {
		return "never"
	}
	return t.Format(time.RFC3339)
}

type revokeTokenCommand struct {
	dataFlags
	Workspace string `default:"default" help:"The workspace."`
	ID        string `arg:"" help:"The token's id."`
}

// Help is shown by --help.
func (revokeTokenCommand) Help() string {
	return `A running service refuses the token within a second.

    modelproviders tokens revoke --workspace acme 0199d1a4-7c20-7c44-a1b5-93d1e5f0c8aa`
}

// Run revokes a token.
func (c revokeTokenCommand) Run(ctx context.Context, out streams) error {
	return operate(ctx, c.config(out), false, func(operator *app.Operator) error {
		if err := operator.RevokeToken(ctx, c.Workspace, c.ID); err != nil {
			return err
		}
		out.note("Revoked the token %s.", c.ID)
		return nil
	})
}
