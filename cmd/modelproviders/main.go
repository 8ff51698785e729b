// Command modelproviders serves the modelproviders API.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
)

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(200) // a few MB more for 10 % more calls per second
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(96 << 20) // collect more often above this, so that many large answers stay below 150 MB
	}
	// Only net/http writes to the standard log. It quotes unsolicited responses of
	// upstreams, which may contain secrets.
	log.SetOutput(io.Discard)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
	stop()
	os.Exit(conclude(err, os.Stderr))
}

// Exit statuses of the program. `apply --dry-run` also ends with 2, if it found
// differences.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 64 // wrong arguments or settings; EX_USAGE of sysexits.h
)

// exitError ends the program with a status other than [exitFailed]. Without an error,
// nothing is printed.
type exitError struct {
	status int
	err    error
}

func (e exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit status %d", e.status)
	}
	return e.err.Error()
}

func (e exitError) Unwrap() error { return e.err }

// conclude prints the error of a command, and returns the exit status.
func conclude(err error, stderr io.Writer) int {
	if err == nil {
		return exitOK
	}
	exit := exitError{status: exitFailed, err: err}
	errors.As(err, &exit)
	if exit.err != nil {
		fmt.Fprintln(stderr, "modelproviders:", err)
	}
	return exit.status
}

// commandLine has all commands and flags.
type commandLine struct {
	Serve   serveCommand   `cmd:"" default:"withargs" help:"Serve the API (the default)."`
	Tokens  tokensCommand  `cmd:"" help:"Create, list and revoke API tokens."`
	Audit   auditCommand   `cmd:"" help:"Verify and export audit events."`
	Version versionCommand `cmd:"" help:"Print the version."`

	CoreDumps string   `default:"off" enum:"on,off" help:"on: a crash may write the memory of the process, including credentials, to a core dump (Linux)."`
	Log       logFlags `embed:"" prefix:"log-"`
}

// run runs the program until the command has finished or ctx ends. environ has the form
// of [os.Environ].
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) error {
	var cli commandLine
	command, err := parse(ctx, &cli, args, environ, stdout, stderr)
	if command == nil {
		return err
	}
	if cli.CoreDumps == "off" {
		if err := forbidCoreDumps(); err != nil {
			return err
		}
	}
	return command.Run(streams{stdout: stdout, stderr: stderr, logger: cli.Log.logger(stderr)})
}

// parse reads the command line and the environment. It returns nil after --help.
func parse(ctx context.Context, cli *commandLine, args, environ []string, stdout, stderr io.Writer) (*kong.Context, error) {
	exited := false
	parser, err := kong.New(cli,
		kong.Name("modelproviders"),
		kong.Description("The backend of a bring-your-own-model settings page. "+
			"Every flag can be set by an environment variable: "+environmentPrefix+" and the flag's name, such as MODELPROVIDERS_DATA_DIR."),
		kong.Writers(stdout, stderr),
		kong.Exit(func(int) { exited = true }),
		kong.Resolvers(environment(environ)),
		kong.BindTo(ctx, (*context.Context)(nil)),
	)
	if err != nil {
		return nil, err
	}
	command, err := parser.Parse(args)
	if exited { // after --help, errors in the rest of the line don't matter
		return nil, nil
	}
	if err != nil {
		return nil, exitError{status: exitUsage, err: err}
	}
	return command, nil
}

// environmentPrefix is followed by a flag's name, in upper case and with _ for -, in
// the environment variable that sets the flag.
const environmentPrefix = "MODELPROVIDERS_"

// environment sets flags from environment variables that are not empty.
func environment(environ []string) kong.Resolver {
	variables := map[string]string{}
	for _, variable := range environ {
		name, value, _ := strings.Cut(variable, "=")
		variables[name] = value
	}
	return kong.ResolverFunc(func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		value := variables[environmentPrefix+strings.ToUpper(strings.ReplaceAll(flag.Name, "-", "_"))]
		if value == "" {
			return nil, nil
		}
		return value, nil
	})
}
