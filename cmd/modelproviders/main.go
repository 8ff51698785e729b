// Command modelproviders serves the modelproviders API.
package main

import (
	"context"
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
	err := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "modelproviders:", err)
		os.Exit(1)
	}
}

// commandLine has all commands and flags.
type commandLine struct {
	Serve   serveCommand   `cmd:"" default:"withargs" help:"Serve the API (the default)."`
	Tokens  tokensCommand  `cmd:"" help:"Create, list and revoke API tokens."`
	Audit   auditCommand   `cmd:"" help:"Verify and export audit events."`
	Version versionCommand `cmd:"" help:"Print the version."`

	CoreDumps string `default:"off" enum:"on,off" help:"on: a crash may write the memory of the process, including credentials, to a core dump (Linux)."`
}

// streams are what a command writes to.
type streams struct{ stdout, stderr io.Writer }

// environmentPrefix is followed by a flag's name, in upper case and with _ for -, in
// the environment variable that sets the flag.
const environmentPrefix = "MODELPROVIDERS_"

// run runs the program until the command has finished or ctx ends.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	var cli commandLine
	command, err := parse(ctx, &cli, args, getenv, stdout, stderr)
	if command == nil {
		return err
	}
	if cli.CoreDumps == "off" {
		if err := forbidCoreDumps(); err != nil {
			return err
		}
	}
	return command.Run()
}

// parse reads the command line and the environment. It returns nil after --help.
func parse(ctx context.Context, cli *commandLine, args []string, getenv func(string) string, stdout, stderr io.Writer) (*kong.Context, error) {
	exited := false
	parser, err := kong.New(cli,
		kong.Name("modelproviders"),
		kong.Description("The backend of a bring-your-own-model settings page. "+
			"Every flag can be set by an environment variable: "+environmentPrefix+" and the flag's name, such as MODELPROVIDERS_DATA_DIR."),
		kong.Writers(stdout, stderr),
		kong.Exit(func(int) { exited = true }),
		kong.Resolvers(environment(getenv)),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(streams{stdout: stdout, stderr: stderr}),
	)
	if err != nil {
		return nil, err
	}
	command, err := parser.Parse(args)
	if exited { // after --help, errors in the rest of the line don't matter
		return nil, nil
	}
	return command, err
}

// environment sets flags from environment variables that are not empty.
func environment(getenv func(string) string) kong.Resolver {
	return kong.ResolverFunc(func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		value := getenv(environmentPrefix + strings.ToUpper(strings.ReplaceAll(flag.Name, "-", "_")))
		if value == "" {
			return nil, nil
		}
		return value, nil
	})
}
