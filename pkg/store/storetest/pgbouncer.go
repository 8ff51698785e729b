package storetest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// errNoPgBouncer says that PgBouncer is not installed.
var errNoPgBouncer = errors.New("no pgbouncer in PATH or /usr/sbin: install the package pgbouncer")

// PgBouncer is a PgBouncer in transaction mode before the cluster of this test
// process: it takes no settings at start, and gives a client another connection
// to the server for each transaction.
type PgBouncer struct {
	cluster *Cluster
	dir     string // configuration, socket and log
}

// StartPgBouncer starts one, which is ended with the test. It has at most conns
// connections to a database at a time.
func StartPgBouncer(t testing.TB, conns int) *PgBouncer {
	t.Helper()
	Long(t)
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		program, err = exec.LookPath("/usr/sbin/pgbouncer")
	}
	if err != nil {
		skipWithout(t, errNoPgBouncer)
	}
	cluster, err := shared()
	skipWithout(t, err)
	dir, err := os.MkdirTemp(cluster.dir, "b")
	if err == nil && cluster.owner != nil {
		err = os.Chown(dir, int(cluster.owner.Uid), int(cluster.owner.Gid))
	}
	b := &PgBouncer{cluster: cluster, dir: dir}
	config := filepath.Join(dir, "ini")
	if err == nil {
		err = os.WriteFile(config, b.config(conns), 0o644)
	}
	if err != nil {
		t.Fatal("start PgBouncer: ", err)
	}
	// It ends when its shell's input is closed: by the test, or because this
	// process is gone.
	command := cluster.command("sh", "-c", `"$1" "$2" >/dev/null 2>&1 & cat >/dev/null; kill $!; wait`, "sh", program, config)
	command.SysProcAttr.Setpgid = true // an interrupt from the terminal is not for it
	input, err := command.StdinPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		t.Fatal("start PgBouncer: ", err)
	}
	t.Cleanup(func() {
		if err := errors.Join(input.Close(), command.Wait()); err != nil {
			t.Error("end PgBouncer: ", err)
		}
	})
	b.await(t)
	return b
}

func (b *PgBouncer) config(conns int) []byte {
	return fmt.Appendf(nil, "[databases]\n* = host=%s user=postgres\n"+
		"[pgbouncer]\nunix_socket_dir = %s\nlisten_port = 6432\nlogfile = %s\nauth_type = any\n"+
		"pool_mode = transaction\ndefault_pool_size = %d\nmax_client_conn = 1000\nignore_startup_parameters =\n",
		b.cluster.dir, b.dir, filepath.Join(b.dir, "log"), conns)
}

// await waits until the pooler answers.
func (b *PgBouncer) await(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, b.through("postgres://postgres@/postgres"))
		if err == nil {
			_ = conn.Close(ctx)
			return
		}
		select {
		case <-ctx.Done():
			log, _ := os.ReadFile(filepath.Join(b.dir, "log"))
			t.Fatalf("PgBouncer does not answer: %v\n%s", err, log)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Database returns the URL, through the pooler, of a fresh database, which is
// dropped when the test ends.
func (b *PgBouncer) Database(t testing.TB) string {
	t.Helper()
	return b.through(b.cluster.Database(t))
}

// through is the URL of a database of the cluster through the pooler.
func (b *PgBouncer) through(database string) string {
	address, _ := url.Parse(database) // it is of our making
	address.RawQuery = url.Values{"host": {b.dir}, "port": {"6432"}}.Encode()
	return address.String()
}
