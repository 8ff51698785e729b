// Command modelproviders serves the modelproviders API.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
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
	context.AfterFunc(ctx, stop)  // a second signal ends the process at once
	signal.Ignore(syscall.SIGHUP) // or the end of a terminal would interrupt a command; see serveCommand
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
	Serve       serveCommand       `cmd:"" default:"withargs" help:"Serve the API. This is the default."`
	Tokens      tokensCommand      `cmd:"" help:"Create, list and revoke API tokens."`
	Audit       auditCommand       `cmd:"" help:"Verify and export audit events."`
	Export      exportCommand      `cmd:"" help:"Write the providers of a service to a file for apply."`
	Apply       applyCommand       `cmd:"" help:"Make a service have the providers of a file."`
	Backup      backupCommand      `cmd:"" help:"Copy the SQLite database to a file, while the service is running."`
	Migrate     migrateCommand     `cmd:"" help:"Show and update the schema of the database."`
	Keys        keysCommand        `cmd:"" help:"Manage the keys that encrypt what is stored."`
	Doctor      doctorCommand      `cmd:"" help:"Check settings and data."`
	Healthcheck healthcheckCommand `cmd:"" help:"Ask the local service whether it is ready, for containers."`
	Version     versionCommand     `cmd:"" help:"Print the version."`

	CoreDumps string   `group:"Process:" default:"off" enum:"on,off" help:"on: a crash may write the memory of the process, including credentials, to a core dump (Linux)."`
	Log       logFlags `group:"Process:" embed:"" prefix:"log-"`
}

// run runs the program until the command has finished or ctx ends. environ has the form
// of [os.Environ].
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) error {
	var cli commandLine
	env := newEnvironment(environ)
	command, err := parse(ctx, &cli, args, env, stdout, stderr)
	if command == nil {
		return err
	}
	if cli.CoreDumps == "off" {
		if err := forbidCoreDumps(); err != nil {
			return err
		}
	}
	out := streams{stdout: stdout, stderr: stderr, logger: cli.Log.logger(stderr)}
	for _, path := range env.exposed {
		out.logger.Warn("users other than its owner can read a file with a secret; set its mode to 0600", slog.String("path", path))
	}
	for _, name := range env.unknown {
		out.logger.Warn("an environment variable is no setting and has no effect", slog.String("name", name))
	}
	return command.Run(out)
}
