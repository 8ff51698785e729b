package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
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
	Name      string        `required:"" help:"Name of the token."`
	Role      string        `required:"" enum:"viewer,editor,admin" help:"Role of the token: viewer, editor or admin."`
	Workspace string        `default:"default" help:"Workspace of the token. A workspace need not be created first."`
	ExpiresIn time.Duration `help:"How long the token is valid, such as 720h; by default forever."`
}

// Run creates a token and prints it. It can't be printed again.
func (c createTokenCommand) Run(ctx context.Context, out streams) error {
	var expires *time.Time
	if c.ExpiresIn != 0 {
		at := time.Now().Add(c.ExpiresIn)
		expires = &at
	}
	return operate(ctx, c.config(out), true, func(operator *app.Operator) error {
		value, err := operator.CreateToken(ctx, c.Workspace, c.Name, c.Role, expires)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(out.stdout, value)
		return err
	})
}

type listTokensCommand struct {
	dataFlags
	Workspace string `default:"default" help:"The workspace."`
}

// Run prints the tokens of a workspace as a table.
func (c listTokensCommand) Run(ctx context.Context, out streams) error {
	return operate(ctx, c.config(out), false, func(operator *app.Operator) error {
		tokens, err := operator.Tokens(ctx, c.Workspace)
		if err != nil {
			return err
		}
		table := tabwriter.NewWriter(out.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "ID\tNAME\tROLE\tSCOPES\tCREATED\tEXPIRES\tLAST USED")
		for _, t := range tokens {
			fmt.Fprintf(table, "%s\t%s\t%s\t%v\t%s\t%s\t%s\n", t.ID, t.Name, t.Role, t.Scopes,
				t.CreatedAt.Format(time.RFC3339), timeOrNever(t.ExpiresAt), timeOrNever(t.LastUsedAt))
		}
		return table.Flush()
	})
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

// Run revokes a token.
func (c revokeTokenCommand) Run(ctx context.Context, out streams) error {
	return operate(ctx, c.config(out), false, func(operator *app.Operator) error {
		return operator.RevokeToken(ctx, c.Workspace, c.ID)
	})
}
