package main

import (
	"context"
	"errors"
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
		return printRecords(out, c.outputFlags, "", func(t app.Token) []any { return []any{t.Value} }, token)
	})
}

type listTokensCommand struct {
	dataFlags
	outputFlags
	Workspace string `default:"default" help:"The workspace."`
}

// Run prints the tokens of a workspace.
func (c listTokensCommand) Run(ctx context.Context, out streams) error {
	return operate(ctx, c.config(out), false, func(operator *app.Operator) error {
		tokens, err := operator.Tokens(ctx, c.Workspace)
		if err != nil {
			return err
		}
		return printRecords(out, c.outputFlags, "ID\tNAME\tROLE\tSCOPES\tCREATED\tEXPIRES\tLAST USED", func(t app.Token) []any {
			return []any{t.ID, t.Name, t.Role, words(t.Scopes), &t.CreatedAt, t.ExpiresAt, t.LastUsedAt}
		}, tokens...)
	})
}

type revokeTokenCommand struct {
	dataFlags
	Workspace string `default:"default" help:"The workspace."`
	ID        string `arg:"" help:"The token's id."`
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
