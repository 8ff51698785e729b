package app_test

import (
	"bytes"
	"database/sql"
	"fmt"
	"io"
	"io/fs"
	"log"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // registers the driver

	"modelproviders/pkg/app"
	"modelproviders/pkg/provider/providertest"
	"modelproviders/pkg/store/storetest"
	"modelproviders/pkg/webhook/webhooktest"
)

// TestNoSecretLeaves sends secrets through the service in every way, valid and invalid,
// with upstreams that echo them, and then searches for them in everything that leaves
// it: answers, log, output of the process, and the files of the database.
func TestNoSecretLeaves(t *testing.T) {
	for name, database := range map[string]func(*testing.T) database{"SQLite": sqliteDatabase, "PostgreSQL": postgresDatabase} {
		t.Run(name, func(t *testing.T) {
			c := newCanarySession(t, database(t), providertest.Fakes(t)...)
			c.everyType()
			c.repeatingUpstream()
			c.wrongPlaces()
			c.ownFailures()
			c.tokensAndEvents()
			c.inspect("while the service runs")
			if err := c.Close(); err != nil {
				t.Error("stop the service:", err)
			}
			c.inspect("after it was stopped")
		})
	}
}

// TestNoSecretOfAnyKindLeaves does so with the fakes that accept other kinds of
// credentials, one at a time, because they share the operator's endpoint of their type.
func TestNoSecretOfAnyKindLeaves(t *testing.T) {
	for _, fake := range providertest.Variants(t) {
		if fake.Variant == "" {
			continue
		}
		t.Run(fake.Type+", "+fake.Variant, func(t *testing.T) {
			c := newCanarySession(t, sqliteDatabase(t), fake)
			c.everyType()
			c.inspect("while the service runs")
		})
	}
}

// database is the database of a service.
type database struct {
	config func(*app.Config)
	exec   func(t *testing.T, dataDir, statement string)
	// dirs hold everything that the database writes.
	dirs func(t *testing.T, dataDir string) []string
}

func sqliteDatabase(*testing.T) database {
	return database{
		config: func(*app.Config) {},
		exec:   func(t *testing.T, dir, statement string) { inSQLite(t, dir, statement) },
		dirs:   func(_ *testing.T, dir string) []string { return []string{dir} },
	}
}

// postgresDatabase has a cluster of its own, so that its files can be read.
func postgresDatabase(t *testing.T) database {
	url := storetest.StartCluster(t).Database(t)
	return database{
		config: func(c *app.Config) { c.DatabaseURL = url },
		exec:   func(t *testing.T, _, statement string) { execute(t, "pgx", url, statement) },
		dirs: func(t *testing.T, dir string) []string {
			execute(t, "pgx", url, "CHECKPOINT")
			data, number := ask(t, url, "SHOW data_directory"), ask(t, url, "SELECT oid::text FROM pg_database WHERE datname = current_database()")
			return []string{dir, filepath.Join(data, "base", number), filepath.Join(data, "pg_wal")}
		},
	}
}

// ask returns the one text that a query answers.
func ask(t *testing.T, url, query string) (text string) {
	t.Helper()
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRowContext(t.Context(), query).Scan(&text); err != nil {
		t.Fatalf("%v\n%s", err, query)
	}
	return text
}

// canarySession is a service, everything that it says, and the secrets that must not
// be in that.
type canarySession struct {
	*service
	t        *testing.T
	database database
	secrets  *secrets
	said     []statement
	clock    *atomic.Pointer[string] // what the clock panics with; nil: it doesn't
	fakes    []*providertest.Server
	repeater *repeater
	receiver *webhooktest.Receiver
}

// statement is something that the service said, and to what.
type statement struct{ where, text string }

func newCanarySession(t *testing.T, database database, fakes ...providertest.Fake) *canarySession {
	c := &canarySession{t: t, database: database, secrets: newSecrets(), clock: &atomic.Pointer[string]{}, repeater: newRepeater(t), receiver: webhooktest.Start(t)}
	var endpoints []string
	roots := c.repeater.roots
	for _, fake := range fakes {
		server := providertest.Start(t, fake)
		c.fakes = append(c.fakes, server)
		if endpoint := server.ProviderEndpoints(); endpoint != "" {
			endpoints = append(endpoints, endpoint)
		}
		if fake.TLS {
			roots = server.RootCAs
		}
	}
	output := captureProcess(t)
	c.service = start(t, func(config *app.Config) {
		config.ProviderEndpoints, config.UpstreamCAs = strings.Join(endpoints, ","), roots
		config.Logger = slog.New(slog.NewTextHandler(output, &slog.HandlerOptions{Level: slog.LevelDebug}))
		config.Now = func() time.Time {
			if value := c.clock.Load(); value != nil {
				panic(*value)
			}
			return time.Now()
		}
	}, database.config, telling(c.receiver))
	c.log = output
	c.secrets.add("secret of webhooks", strings.TrimPrefix(c.receiver.Secret, "whsec_"))
	c.secrets.add("admin token", c.token)
	c.secrets.addKeyset(t, filepath.Join(c.dir, "keyset.json"))
	return c
}

// captureProcess collects what the process writes to stdout, stderr and the standard
// log.
func captureProcess(t *testing.T) *output {
	captured := &output{}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, stderr := os.Stdout, os.Stderr
	os.Stdout, os.Stderr = write, write
	log.SetOutput(captured)
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = io.Copy(captured, read) })
	t.Cleanup(func() {
		os.Stdout, os.Stderr = stdout, stderr
		log.SetOutput(stderr)
		_ = write.Close()
		wg.Wait()
	})
	return captured
}

// say makes a call and keeps the answer for the inspection.
func (c *canarySession) say(method, path string, body any, header ...string) answer {
	c.t.Helper()
	got := c.quietly(method, path, body, header...)
	c.said = append(c.said, statement{method + " " + path, fmt.Sprint(got.header) + "\n" + got.text})
	return got
}

// quietly makes a call whose answer may hold a secret: a reveal, or a refusal that
// names what the caller put in a path or in the name of a field.
func (c *canarySession) quietly(method, path string, body any, headers ...string) answer {
	c.t.Helper()
	return c.call(c.t, method, path, body, headers...)
}

// wants fails the test unless an answer has that status.
func (c *canarySession) wants(status int, got answer) answer {
	c.t.Helper()
	if got.status != status {
		c.t.Fatalf("answered %d, not %d: %s\n%s", got.status, status, got.text, c.log)
	}
	return got
}

// inspect searches for every secret in the answers, the log and the files.
func (c *canarySession) inspect(when string) {
	c.t.Helper()
	for _, server := range c.fakes {
		c.secrets.addSent(server.Requests())
	}
	c.secrets.addSent(c.repeater.requests())
	search := c.secrets.inParts()
	for _, s := range c.said {
		search.in(c.t, s.where, []byte(s.text))
	}
	for _, m := range c.receiver.Attempts() {
		search.in(c.t, "a webhook", []byte(m.Text))
	}
	search.in(c.t, "the log "+when, []byte(c.log.String()))
	search, c.said = c.secrets.whole(), nil
	read := 0
	for _, dir := range c.database.dirs(c.t, c.dir) {
		err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			content, err := os.ReadFile(path)
			if os.IsNotExist(err) {
				return nil // a server removes files at any time
			}
			read += len(content)
			switch filepath.Base(path) {
			case "admin.token":
				content = bytes.ReplaceAll(content, []byte(c.token), nil)
			case "keyset.json":
				return nil
			}
			search.in(c.t, path+" "+when, content)
			return err
		})
		if err != nil {
			c.t.Error(err)
		}
	}
	if read < 50_000 || !strings.Contains(c.log.String(), "msg=request") {
		c.t.Errorf("only %d bytes of files were read, with a log of %d", read, len(c.log.String()))
	}
}
