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
		debug.SetGCPercent(200) // the heap is small: a few MB more make a tenth more calls under load
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(96 << 20) // above it garbage is collected more often: many large answers at once stay below 150 MB
	}
	// Nothing of ours writes to the standard log. What net/http writes there quotes
	// what an upstream said unasked, which may be a secret.
	log.SetOutput(io.Discard)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "modelproviders:", err)
		os.Exit(1)
	}
}

// commandLine is every command with its flags.
type commandLine struct {
	Serve   serveCommand   `cmd:"" default:"withargs" help:"Serve the API (the default)."`
	Tokens  tokensCommand  `cmd:"" help:"Create, list and revoke API tokens."`
	Audit   auditCommand   `cmd:"" help:"Verify and export audit events."`
	Version versionCommand `cmd:"" help:"Print the version."`

	CoreDumps string `default:"off" enum:"on,off" help:"on: a crash may write the memory, with credentials in it, to a core dump (Linux)."`
}

// streams is where a command writes.
type streams struct{ stdout, stderr io.Writer }

// environmentPrefix stands before a flag's name in upper case, with _ for -, in
// the environment variable that sets it.
const environmentPrefix = "MODELPROVIDERS_"

// run is the program: main hands it the outside world, and so does its test. It
// returns when the command has ended or ctx is done.
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

// parse reads the command line and the environment. It returns nil where --help
// has been answered, or with an error.
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
	switch {
	case exited: // --help has been answered; what follows it is not looked at
		return nil, nil
	case err != nil:
		return nil, err
	}
	return command, nil
}

// environment resolves flags from environment variables. An empty variable is
// not set.
func environment(getenv func(string) string) kong.Resolver {
	return kong.ResolverFunc(func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		name := environmentPrefix + strings.ToUpper(strings.ReplaceAll(flag.Name, "-", "_"))
		if value := getenv(name); value != "" {
			return value, nil
		}
		return nil, nil
	})
}
