package store_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pressly/goose/v3/lock"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/registry"
	"modelproviders/pkg/store"
	"modelproviders/pkg/store/storetest"
)

// A test process with one of the first two set opens that database and exits.
const (
	openPath   = "STORE_TEST_OPEN_PATH"
	openURL    = "STORE_TEST_OPEN_URL"
	openPooler = "STORE_TEST_OPEN_POOLER"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(writePath); path != "" {
		if err := writeRows(path, os.Getenv(writeAs)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	config := store.Config{SQLitePath: os.Getenv(openPath), DatabaseURL: os.Getenv(openURL), Pooler: os.Getenv(openPooler) == "true"}
	if config.SQLitePath == "" && config.DatabaseURL == "" {
		os.Exit(m.Run())
	}
	s, err := store.Open(context.Background(), config)
	if err == nil {
		err = errors.Join(s.SchemaCurrent(context.Background()), s.Close())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// TestOpenAtOnce opens an empty database from several processes, and several
// times in each.
func TestOpenAtOnce(t *testing.T) {
	t.Parallel()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	check := func(t *testing.T, config store.Config) {
		t.Helper()
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() {
				command := exec.Command(program)
				command.Env = append(os.Environ(), openPath+"="+config.SQLitePath, openURL+"="+config.DatabaseURL, openPooler+"="+strconv.FormatBool(config.Pooler))
				if out, err := command.CombinedOutput(); err != nil {
					t.Errorf("another process: %v\n%s", err, out)
				}
			})
			group.Go(func() {
				s, err := store.Open(t.Context(), config)
				if err != nil {
					t.Error("open:", err)
					return
				}
				if err := s.SchemaCurrent(t.Context()); err != nil {
					t.Error("schema:", err)
				}
				if err := s.Close(); err != nil {
					t.Error("close:", err)
				}
			})
		}
		group.Wait()
	}
	t.Run("SQLite", func(t *testing.T) {
		check(t, store.Config{SQLitePath: filepath.Join(t.TempDir(), "store.db")})
	})
	t.Run("Postgres", func(t *testing.T) {
		check(t, store.Config{DatabaseURL: storetest.Postgres(t)})
	})
	t.Run("Pooler", func(t *testing.T) {
		check(t, store.Config{DatabaseURL: storetest.StartPgBouncer(t, 5).Database(t), Pooler: true})
	})
}

// TestOpenAfterAProcessWasKilled kills a process that holds the lock of the
// migrations: its lease expires.
func TestOpenAfterAProcessWasKilled(t *testing.T) {
	storetest.Long(t)
	t.Parallel()
	url := storetest.Postgres(t)
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	locker, err := lock.NewPostgresTableLocker(lock.WithTableLeaseDuration(2 * time.Second))
	if err != nil {
		t.Fatal(err)
	}
	ctx, kill := context.WithCancel(t.Context())
	err = locker.Lock(ctx, db)
	kill()
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	s := storetest.Open(t, store.Config{DatabaseURL: url})
	if waited := time.Since(began); waited < time.Second {
		t.Errorf("the lock was taken from a process after %v", waited)
	}
	wantBack(t, s)
}

// TestANewerSchema: a running process goes on with the schema of the next version, but
// none of the previous version starts.
func TestANewerSchema(t *testing.T) {
	t.Parallel()
	check := func(t *testing.T, config store.Config) {
		t.Helper()
		s := storetest.Open(t, config)
		if _, err := s.Writer().ExecContext(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, TRUE)"); err != nil {
			t.Fatal(err)
		}
		if err := s.SchemaCurrent(t.Context()); err != nil {
			t.Errorf("SchemaCurrent of a newer schema: %v", err)
		}
		_, err := store.Open(t.Context(), config)
		if err == nil || !strings.Contains(err.Error(), "99999") || !strings.Contains(err.Error(), "newer version of the program") {
			t.Errorf("Open: got %v", err)
		}
	}
	t.Run("SQLite", func(t *testing.T) {
		check(t, store.Config{SQLitePath: filepath.Join(t.TempDir(), "store.db")})
	})
	t.Run("Postgres", func(t *testing.T) {
		check(t, store.Config{DatabaseURL: storetest.Postgres(t)})
	})
}

func TestReopenKeepsWhatWasStored(t *testing.T) {
	check := func(t *testing.T, config store.Config) {
		t.Helper()
		s, err := store.Open(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		if err := addProvider(t.Context(), s, benchmarkProvider()); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		list, err := storetest.Open(t, config).Providers(t.Context(), workspace, registry.ProviderQuery{})
		if err != nil || len(list) != 1 {
			t.Errorf("after opening again: %d providers, %v", len(list), err)
		}
	}
	t.Run("SQLite", func(t *testing.T) {
		for _, name := range []string{"plain.db", "with space.db", "what?mode=memory#x.db", "100%41.db", "ünï'\";.db", ":memory:"} {
			check(t, store.Config{SQLitePath: filepath.Join(t.TempDir(), name)})
		}
		t.Chdir(t.TempDir())
		check(t, store.Config{SQLitePath: "relative.db"})
		left, err := filepath.Glob("*")
		if err != nil || !slices.Contains(left, "relative.db") {
			t.Errorf("the files are %q, %v", left, err)
		}
	})
	t.Run("Postgres", func(t *testing.T) {
		check(t, store.Config{DatabaseURL: storetest.Postgres(t)})
	})
}

func TestSQLiteReadersCannotWrite(t *testing.T) {
	t.Parallel()
	s := storetest.SQLite(t)
	if _, err := s.Reader().ExecContext(t.Context(), "DELETE FROM models"); err == nil {
		t.Error("a connection for reading wrote")
	}
}

func TestSQLiteFilesArePrivate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "store.db")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	s := storetest.Open(t, store.Config{SQLitePath: path})
	if err := addProvider(t.Context(), s, benchmarkProvider()); err != nil {
		t.Fatal(err)
	}
	var files []string
	err := filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		files = append(files, entry.Name())
		info, err := entry.Info()
		if err == nil && info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", entry.Name(), info.Mode())
		}
		return err
	})
	if err != nil || !slices.Contains(files, "store.db-wal") {
		t.Errorf("the files are %q, %v", files, err)
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	garbage := filepath.Join(dir, "garbage.db")
	if err := os.WriteFile(garbage, bytes.Repeat([]byte("no database "), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		config store.Config
		want   string
	}{
		{store.Config{}, "no database"},
		{store.Config{DatabaseURL: "mysql://u:hunter2@h/d"}, "postgres://"},
		{store.Config{DatabaseURL: "postgres://u:hunter2@127.0.0.1:1/d"}, "127.0.0.1"},
		{store.Config{DatabaseURL: "postgres://u:hunter2@h:port/d"}, "database URL"},
		{store.Config{DatabaseURL: "postgres://u:hunter2@h/d?sslmode=bogus"}, "sslmode"},
		{store.Config{SQLitePath: dir}, dir},
		{store.Config{SQLitePath: filepath.Join(dir, "missing", "store.db")}, "missing"},
		{store.Config{SQLitePath: garbage}, "not a database"},
	} {
		s, err := store.Open(t.Context(), test.config)
		if err == nil {
			t.Errorf("open %+v: no error", test.config)
			_ = s.Close()
			continue
		}
		if !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("open %+v: got %q, want it to tell %q and no password", test.config, err, test.want)
		}
	}
}

// TestNothingSecretIsLogged checks that neither migrations nor failures log
// values.
func TestNothingSecretIsLogged(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	for _, config := range []store.Config{
		{SQLitePath: filepath.Join(t.TempDir(), "store.db")}, {DatabaseURL: storetest.Postgres(t)},
	} {
		config.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		s := storetest.Open(t, config)
		p := benchmarkProvider()
		credential := p.Credentials["api_key"]
		credential.Sealed = []byte("canary")
		p.Credentials["api_key"] = credential
		for range 2 { // the second time the name is taken
			err := addProvider(t.Context(), s, p)
			if err != nil && (strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "INSERT")) {
				t.Errorf("the error tells the statement: %v", err)
			}
		}
	}
	if !strings.Contains(log.String(), "migrated the schema") || strings.Contains(log.String(), "canary") || strings.Contains(log.String(), "INSERT") {
		t.Errorf("the log:\n%s", &log)
	}
}

// TestCloseDuringCalls checks that calls which run while the store is closed succeed
// or say that the database cannot be reached.
func TestCloseDuringCalls(t *testing.T) {
	t.Parallel()
	for _, d := range databases() {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			s := d.open(t)
			var group sync.WaitGroup
			for range 20 {
				for name, call := range calls(s) {
					group.Go(func() {
						for {
							if err := call(t.Context()); err != nil {
								if !fault.Is(err, fault.Unavailable) {
									t.Errorf("%s: got %v, want %s", name, err, fault.Unavailable)
								}
								return
							}
						}
					})
				}
			}
			time.Sleep(20 * time.Millisecond)
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			group.Wait()
		})
	}
}
