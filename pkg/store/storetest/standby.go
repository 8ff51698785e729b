package storetest

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// StartStandby starts a streaming standby of the cluster. From then on a commit on the
// cluster waits until the standby has written it to disk.
func (c *Cluster) StartStandby(t testing.TB) *Cluster {
	t.Helper()
	standby, err := startWith(func(standby *Cluster) error {
		err := standby.run("pg_basebackup", "-h", c.dir, "-U", "postgres", "-D", standby.data(), "-R", "-c", "fast", "--no-sync")
		if err != nil {
			return err
		}
		settings, err := os.OpenFile(filepath.Join(standby.data(), "postgresql.auto.conf"), os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		defer settings.Close()
		_, err = settings.WriteString("unix_socket_directories = '" + standby.dir + "'\n")
		return err
	})
	if err != nil {
		t.Fatal("start a standby: ", err)
	}
	standby.endWith(t)

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, c.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, statement := range []string{"ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()"} {
		if _, err := conn.Exec(ctx, statement); err != nil {
			t.Fatal(err)
		}
	}
	for synchronous := 0; synchronous == 0; time.Sleep(10 * time.Millisecond) {
		err := conn.QueryRow(ctx, "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'").Scan(&synchronous)
		if err != nil {
			t.Fatal("wait until the standby is synchronous: ", err)
		}
	}
	return standby
}

// Promote makes a standby a primary, and returns when it takes writes.
func (c *Cluster) Promote(t testing.TB) {
	t.Helper()
	if err := c.run("pg_ctl", "-D", c.data(), "-w", "-t", "120", "promote"); err != nil {
		t.Fatal(err)
	}
}
