package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"modelproviders/pkg/app"
)

// tokensCommand manages API tokens of any workspace, for the operator.
type tokensCommand struct {
	Create createTokenCommand `cmd:"" help:"Make a token and print it."`
	List   listTokensCommand  `cmd:"" help:"List the tokens of a workspace."`
	Revoke revokeTokenCommand `cmd:"" help:"End a token, even the last admin token of a workspace."`
}

// operate opens what a service keeps for the time of one command.
func operate(ctx context.Context, cfg app.Config, command func(*app.Operator) error) error {
	return operateOn(ctx, cfg, false, command)
}

// operateOn is operate, and begins what is to be kept if it may.
func operateOn(ctx context.Context, cfg app.Config, mayBegin bool, command func(*app.Operator) error) error {
	operator, err := app.OpenOperator(ctx, cfg, mayBegin)
	if err != nil {
		return err
	}
	return errors.Join(command(operator), operator.Close(ctx))
}

type createTokenCommand struct {
	dataFlags
	Name      string        `required:"" help:"The token's name for people."`
	Role      string        `required:"" enum:"viewer,editor,admin" help:"What it may do: viewer, editor or admin."`
	Workspace string        `default:"default" help:"The workspace it belongs to; it exists as soon as something names it."`
	ExpiresIn time.Duration `help:"How long it lives, such as 720h; left out: for ever."`
}

// Run makes a token and prints it: it is never told again.
func (c createTokenCommand) Run(ctx context.Context, out streams) error {
	var expires *time.Time
	if c.ExpiresIn != 0 {
		at := time.Now().Add(c.ExpiresIn)
		expires = &at
	}
	return operateOn(ctx, c.config(out), true, func(operator *app.Operator) error {
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
	return operate(ctx, c.config(out), func(operator *app.Operator) error {
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

// Run ends a token.
func (c revokeTokenCommand) Run(ctx context.Context, out streams) error {
	return operate(ctx, c.config(out), func(operator *app.Operator) error {
		return operator.RevokeToken(ctx, c.Workspace, c.ID)
	})
}
