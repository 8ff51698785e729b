package storetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// externalURL names the variable with the URL of a PostgreSQL server to make
// the databases on, instead of a throwaway one. Its user must be allowed to.
const externalURL = "MODELPROVIDERS_TEST_POSTGRES_URL"

// errNoBinaries says that PostgreSQL is not installed.
var errNoBinaries = errors.New("no PostgreSQL binaries (initdb, pg_ctl) in PATH, in `pg_config --bindir` or in /usr/lib/postgresql/*/bin: " +
	"install the package postgresql, or set " + externalURL + " to the URL of a server to test on")

// shared starts the cluster of this test process at its first use.
var shared = sync.OnceValues(func() (*Cluster, error) { return startCluster("") })

// Postgres returns the URL of a fresh PostgreSQL database, which is dropped
// when the test ends.
func Postgres(t testing.TB) string {
	t.Helper()
	if server := os.Getenv(externalURL); server != "" {
		return freshDatabase(t, server)
	}
	cluster, err := shared()
	skipWithout(t, err)
	return cluster.Database(t)
}

// Cluster is a throwaway PostgreSQL server on a socket in a private directory.
// It trusts every client that can reach it.
type Cluster struct {
	bin   string              // where initdb and pg_ctl are
	dir   string              // data, socket and log
	owner *syscall.Credential // whom the server runs as; nil: as this process
	// guard holds a process that ends the server, and removes dir, when its
	// input is closed: on purpose, or because this process is gone.
	guard      *exec.Cmd
	guardInput io.Closer
}

// StartCluster starts a cluster for one test that stops and starts it. Others
// use [Postgres].
func StartCluster(t testing.TB) *Cluster {
	t.Helper()
	return startOwnCluster(t, "")
}

// StartSmallCluster is StartCluster for a server that takes few connections.
func StartSmallCluster(t testing.TB, maxConnections int) *Cluster {
	t.Helper()
	return startOwnCluster(t, fmt.Sprintf("max_connections = %d\n", maxConnections))
}

// StartDurableCluster is StartCluster for a benchmark: what is committed
// survives a crash.
func StartDurableCluster(t testing.TB) *Cluster {
	t.Helper()
	return startOwnCluster(t, "fsync = on\nsynchronous_commit = on\nfull_page_writes = on\n")
}

func startOwnCluster(t testing.TB, settings string) *Cluster {
	t.Helper()
	Long(t)
	cluster, err := startCluster(settings)
	skipWithout(t, err)
	cluster.endWith(t)
	return cluster
}

// endWith ends the cluster when the test ends.
func (c *Cluster) endWith(t testing.TB) {
	t.Cleanup(func() {
		if err := errors.Join(c.guardInput.Close(), c.guard.Wait()); err != nil {
			t.Error("end the PostgreSQL cluster:", err)
		}
	})
}

// Database returns the URL of a fresh database, which is dropped when the test
// ends.
func (c *Cluster) Database(t testing.TB) string {
	t.Helper()
	return freshDatabase(t, c.URL())
}

// URL is the URL of the cluster's database postgres.
func (c *Cluster) URL() string {
	return "postgres://postgres@/postgres?host=" + url.QueryEscape(c.dir)
}

// Program returns the path of a program of PostgreSQL, such as pg_dump.
func (c *Cluster) Program(name string) string { return filepath.Join(c.bin, name) }

// Stop stops the server: every connection is cut, new ones are refused.
func (c *Cluster) Stop(t testing.TB) {
	t.Helper()
	if err := c.stop(); err != nil {
		t.Fatal(err)
	}
}

// Start starts the server again after [Cluster.Stop] or [Cluster.Kill].
func (c *Cluster) Start(t testing.TB) {
	t.Helper()
	if err := c.start(); err != nil {
		t.Fatal(err)
	}
}

// Kill ends all processes of the server at once.
func (c *Cluster) Kill(t testing.TB) {
	t.Helper()
	processes := c.halt(t)
	signal(t, processes, syscall.SIGKILL)
	for _, pid := range processes {
		for deadline := time.Now().Add(time.Minute); syscall.Kill(pid, 0) == nil; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("process %d of the server does not end", pid)
			}
		}
	}
}

// Freeze makes the server answer nothing any more, without closing a connection,
// until thaw is called or the test ends.
func (c *Cluster) Freeze(t testing.TB) (thaw func()) {
	t.Helper()
	processes := c.halt(t)
	thaw = sync.OnceFunc(func() { signal(t, processes, syscall.SIGCONT) })
	t.Cleanup(thaw)
	return thaw
}

// halt suspends the processes of the server, and returns their ids.
func (c *Cluster) halt(t testing.TB) []int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(c.data(), "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	postmaster, err := strconv.Atoi(strings.SplitN(string(text), "\n", 2)[0])
	if err != nil {
		t.Fatal(err)
	}
	signal(t, []int{postmaster}, syscall.SIGSTOP) // first, so that it makes no more processes
	children, err := exec.Command("ps", "-o", "pid=", "--ppid", strconv.Itoa(postmaster)).Output()
	if err != nil {
		t.Fatal("list the processes of the server: ", err)
	}
	processes := []int{postmaster}
	for _, field := range strings.Fields(string(children)) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		processes = append(processes, pid)
	}
	signal(t, processes, syscall.SIGSTOP)
	return processes
}

func signal(t testing.TB, processes []int, s syscall.Signal) {
	t.Helper()
	for _, pid := range processes {
		if err := syscall.Kill(pid, s); err != nil && !errors.Is(err, syscall.ESRCH) { // a child may have ended
			t.Error(err)
		}
	}
}

func skipWithout(t testing.TB, err error) {
	t.Helper()
	switch {
	case (errors.Is(err, errNoBinaries) || errors.Is(err, errNoPgBouncer)) && os.Getenv("CI") != "true":
		t.Skip(err)
	case err != nil:
		t.Fatal("start a PostgreSQL cluster: ", err)
	}
}

// startCluster makes and starts a cluster; the settings override the defaults.
func startCluster(settings string) (*Cluster, error) {
	return startWith(func(c *Cluster) error { return c.initialise(settings) })
}

// startWith starts a cluster whose data directory is made by a function. Its own
// directory is directly in /tmp, since the path of a socket is short.
func startWith(makeData func(*Cluster) error) (*Cluster, error) {
	bin, err := findBinaries()
	if err != nil {
		return nil, err
	}
	owner, err := clusterOwner()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("/tmp", "storetest-")
	if err != nil {
		return nil, err
	}
	c := &Cluster{bin: bin, dir: dir, owner: owner}
	if owner != nil {
		if err := os.Chown(dir, int(owner.Uid), int(owner.Gid)); err != nil {
			return nil, errors.Join(err, os.RemoveAll(dir))
		}
	}
	if err := c.startGuard(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	err = makeData(c)
	if err == nil {
		err = c.start()
	}
	if err != nil {
		return nil, errors.Join(err, c.guardInput.Close(), c.guard.Wait())
	}
	return c, nil
}

func (c *Cluster) startGuard() error {
	const script = `cat >/dev/null; "$1/pg_ctl" -D "$2/data" -m immediate stop >/dev/null 2>&1; rm -rf "$2"`
	c.guard = c.command("sh", "-c", script, "sh", c.bin, c.dir)
	c.guard.SysProcAttr.Setpgid = true // an interrupt from the terminal is not for it
	input, err := c.guard.StdinPipe()
	if err != nil {
		return err
	}
	c.guardInput = input
	return c.guard.Start()
}

// initialise makes the data directory. The default collation is that of a language,
// as on many servers, to reveal columns without one of their own. Nothing needs to
// survive a crash.
func (c *Cluster) initialise(settings string) error {
	arguments := []string{"-D", c.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"}
	language := append(slices.Clone(arguments), "--locale-provider=icu", "--icu-locale=en")
	if c.run("initdb", language...) != nil { // before PostgreSQL 15, or built without ICU
		if err := c.run("initdb", arguments...); err != nil {
			return err
		}
	}
	lines := fmt.Sprintf("listen_addresses = ''\nunix_socket_directories = '%s'\n"+
		"fsync = off\nsynchronous_commit = off\nfull_page_writes = off\nmax_connections = 300\ndeadlock_timeout = 50ms\n%s", c.dir, settings)
	return os.WriteFile(filepath.Join(c.data(), "postgresql.auto.conf"), []byte(lines), 0o600)
}

func (c *Cluster) start() error {
	return c.run("pg_ctl", "-D", c.data(), "-l", filepath.Join(c.dir, "log"), "-w", "-t", "120", "start")
}

func (c *Cluster) stop() error {
	return c.run("pg_ctl", "-D", c.data(), "-m", "fast", "-w", "-t", "120", "stop")
}

func (c *Cluster) data() string { return filepath.Join(c.dir, "data") }

// run runs a program of PostgreSQL to its end. Its output goes to a file, not a
// pipe, which the server would inherit and keep open.
func (c *Cluster) run(program string, arguments ...string) error {
	output, err := os.CreateTemp("", "storetest-output-")
	if err != nil {
		return err
	}
	defer func() { _ = errors.Join(output.Close(), os.Remove(output.Name())) }()
	command := c.command(c.Program(program), arguments...)
	command.Stdout, command.Stderr = output, output
	if err := command.Run(); err != nil {
		said, _ := os.ReadFile(output.Name())
		log, _ := os.ReadFile(filepath.Join(c.dir, "log"))
		return fmt.Errorf("%s: %w\n%s\n%s", program, err, said, log)
	}
	return nil
}

func (c *Cluster) command(program string, arguments ...string) *exec.Cmd {
	command := exec.Command(program, arguments...)
	command.Dir = c.dir
	command.SysProcAttr = &syscall.SysProcAttr{Credential: c.owner}
	return command
}

// clusterOwner returns whom to run the server as: PostgreSQL refuses root.
func clusterOwner() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	account, err := user.Lookup("postgres")
	if err != nil {
		account, err = user.Lookup("nobody")
	}
	if err != nil {
		return nil, fmt.Errorf("an account to run PostgreSQL as, which refuses root: %w", err)
	}
	uid, err := strconv.ParseUint(account.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(account.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// findBinaries returns the directory of initdb and pg_ctl.
func findBinaries() (string, error) {
	var places []string
	if path, err := exec.LookPath("initdb"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil { // the other programs may not be linked
			places = append(places, filepath.Dir(path))
		}
	}
	if out, err := exec.Command("pg_config", "--bindir").Output(); err == nil {
		places = append(places, strings.TrimSpace(string(out)))
	}
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin", "/usr/local/pgsql/bin"} {
		found, _ := filepath.Glob(pattern)
		slices.Reverse(found) // the newest first
		places = append(places, found...)
	}
	for _, place := range places {
		_, errInit := os.Stat(filepath.Join(place, "initdb"))
		_, errControl := os.Stat(filepath.Join(place, "pg_ctl"))
		if errInit == nil && errControl == nil {
			return place, nil
		}
	}
	return "", errNoBinaries
}

// freshDatabase makes a database on the server of a URL, and drops it when the
// test ends.
func freshDatabase(t testing.TB, server string) string {
	t.Helper()
	address, err := url.Parse(server)
	if err != nil {
		t.Fatalf("%s is no URL", externalURL) // the error would tell the password
	}
	name := "test_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	execute := func(statement string) error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		conn, err := pgx.Connect(ctx, server)
		if err != nil {
			return err
		}
		_, err = conn.Exec(ctx, statement)
		return errors.Join(err, conn.Close(ctx))
	}
	if err := execute("CREATE DATABASE " + name); err != nil {
		t.Fatal("make a database: ", err)
	}
	t.Cleanup(func() {
		if err := execute("DROP DATABASE " + name + " WITH (FORCE)"); err != nil {
			t.Error("drop the database: ", err)
		}
	})
	address.Path = "/" + name
	return address.String()
}
