package main

import (
	"database/sql"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // registers the driver

	"modelproviders/pkg/store/storetest"
)

// emptyProgram answers everything with 200 at once.
const emptyProgram = `package main

import (
	"net/http"
	"os"
)

func main() {
	panic(http.ListenAndServe(os.Args[2], http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
}
`

// BenchmarkStart prints how long the program takes from its start to its first
// answer of /readyz with 200, the schema being current, and what of that an empty
// program would take: with many rows as with few, and on both databases.
func BenchmarkStart(b *testing.B) {
	dir := b.TempDir()
	program, empty := filepath.Join(dir, "program"), filepath.Join(dir, "empty")
	if err := os.WriteFile(empty+".go", []byte(emptyProgram), 0o600); err != nil {
		b.Fatal(err)
	}
	build(b, program, ".")
	build(b, empty, empty+".go")
	for _, database := range []string{"SQLite", "Postgres"} {
		for _, providers := range []int{1000, 100_000} {
			b.Run(fmt.Sprintf("%s/%d", database, providers), func(b *testing.B) {
				args := []string{"--data-dir", filepath.Join(b.TempDir(), "data")}
				source := "file:" + filepath.Join(args[1], "modelproviders.db")
				driver := "sqlite"
				if database == "Postgres" {
					driver, source = "pgx", storetest.Postgres(b)
					args = append(args, "--database-url", source)
				}
				timeToReady(b, program, args...) // makes the database
				db, err := sql.Open(driver, source)
				if err != nil {
					b.Fatal(err)
				}
				storetest.Seed(b, db, driver == "pgx", providers)
				if err := db.Close(); err != nil {
					b.Fatal(err)
				}
				var ours, theirs []time.Duration
				for b.Loop() {
					theirs = append(theirs, timeToReady(b, empty))
					ours = append(ours, timeToReady(b, program, args...))
				}
				milliseconds := func(all []time.Duration) float64 { return median(all).Seconds() * 1000 }
				b.ReportMetric(0, "ns/op") // of both, and of their ends
				b.ReportMetric(milliseconds(ours), "ms-ready")
				b.ReportMetric(milliseconds(ours)-milliseconds(theirs), "ms-more-than-empty")
			})
		}
	}
}

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}

func build(b *testing.B, output, source string) {
	b.Helper()
	if said, err := exec.Command("go", "build", "-o", output, source).CombinedOutput(); err != nil {
		b.Fatalf("build %s: %v\n%s", source, err, said)
	}
}

// timeToReady runs a program until it has answered, and ends it.
func timeToReady(b *testing.B, program string, args ...string) time.Duration {
	b.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	address := free.Addr().String()
	if err := free.Close(); err != nil {
		b.Fatal(err)
	}
	stderr := &output{}
	command := exec.Command(program, append([]string{"--addr", address}, args...)...)
	command.Stderr = stderr
	began := time.Now()
	if err := command.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() { _ = command.Wait() }()
	defer func() { _ = command.Process.Signal(os.Interrupt) }()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	for time.Since(began) < patience {
		response, err := client.Get("http://" + address + "/readyz")
		if err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return time.Since(began)
			}
		}
		time.Sleep(time.Millisecond)
	}
	b.Fatalf("%s was never ready; it said:\n%s", program, stderr)
	return 0
}
