package main

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"modelproviders/pkg/store/storetest"
	"modelproviders/pkg/webhook/webhooktest"
)

// TestWebhooksAreNotLost kills two processes over and over while statuses change and the
// receiver fails: it is told of every change at least once.
func TestWebhooksAreNotLost(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		dir := filepath.Join(t.TempDir(), "data")
		args := []string{"--data-dir", dir}
		webhooksAreNotLost(t, dir, args, func() *sql.DB { return openDatabase(t, dir) },
			"UPDATE changes SET webhook_due_at = 0 WHERE webhook_due_at IS NOT NULL")
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		dir, url := filepath.Join(t.TempDir(), "data"), storetest.Postgres(t)
		open := func() *sql.DB {
			db, err := sql.Open("pgx", url)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = db.Close() })
			return db
		}
		webhooksAreNotLost(t, dir, []string{"--data-dir", dir, "--database-url", url}, open,
			"UPDATE changes SET webhook_due_at = to_timestamp(0) WHERE webhook_due_at IS NOT NULL")
	})
}

// webhooksAreNotLost runs processes with these arguments. allDue is a statement that ends
// the pauses between attempts, and the leases of processes that were killed.
func webhooksAreNotLost(t *testing.T, dir string, args []string, open func() *sql.DB, allDue string) {
	receiver := webhooktest.Start(t)
	receiver.Answer(func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(rand.N(20 * time.Millisecond))
		w.WriteHeader([]int{200, 204, 500}[rand.N(3)])
	})
	environ := []string{"MODELPROVIDERS_WEBHOOK_URL=" + receiver.URL, "MODELPROVIDERS_WEBHOOK_SECRET=" + receiver.Secret}
	start := func() *process {
		p := launchWith(t, environ, args...)
		if !p.settle(t) {
			t.Fatalf("the process ended:\n%s", p.stderr)
		}
		p.signIn(t, dir)
		return p
	}
	processes := []*process{start(), start()}
	provider := "/providers/" + processes[0].must(t, http.StatusCreated, "POST", "/providers", aProvider).text("id")
	acknowledged := 0
	for round := range 4 {
		for i := range 20 {
			body := fmt.Sprintf(`{"status":%q}`, []string{"inactive", "active"}[i%2])
			processes[i%2].must(t, http.StatusOK, "PATCH", provider, body)
			acknowledged++
		}
		time.Sleep(rand.N(200 * time.Millisecond))
		kill(processes[round%2])
		processes[round%2] = start()
	}
	receiver.Answer(nil)
	db := open()
	count := func(condition string) (n int) {
		if err := db.QueryRow("SELECT count(*) FROM changes WHERE action = 'status_changed' AND " + condition).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	eventually(t, "all webhooks are delivered", func() bool {
		if _, err := db.Exec(allDue); err != nil {
			t.Fatal(err)
		}
		time.Sleep(200 * time.Millisecond)
		return count("webhook_due_at IS NOT NULL") == 0
	})
	accepted := map[string]bool{}
	for _, m := range receiver.Accepted() {
		accepted[m.ID] = true
	}
	if len(accepted) != acknowledged || count("TRUE") != acknowledged {
		t.Errorf("of %d changes, %d are stored and %d were told", acknowledged, count("TRUE"), len(accepted))
	}
}

// TestWebhookDocumentation runs the receiver and the commands in operations.md.
func TestWebhookDocumentation(t *testing.T) {
	needsPrograms(t, "curl", "openssl")
	_, section, _ := strings.Cut(readFile(t, filepath.Join("..", "..", "docs", "operations.md")), "\n## Webhooks\n")
	block := func(language string) string {
		found := regexp.MustCompile("(?s)```" + language + "\n(.*?)```").FindStringSubmatch(section)
		if found == nil {
			t.Fatalf("operations.md has no block of %s about webhooks", language)
		}
		return found[1]
	}
	dir, secret := t.TempDir(), webhooktest.NewSecret()
	source, program := filepath.Join(dir, "receiver.go"), filepath.Join(dir, "receiver")
	if err := os.WriteFile(source, []byte(block("go")), 0o600); err != nil {
		t.Fatal(err)
	}
	if said, err := exec.Command("go", "build", "-o", program, source).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	address := freeAddress(t)
	printed := &output{}
	receiver := exec.Command(program)
	receiver.Env, receiver.Stdout, receiver.Stderr = []string{"ADDR=" + address, "WEBHOOK_SECRET=" + secret}, printed, printed
	if err := receiver.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = receiver.Process.Kill()
		_ = receiver.Wait()
	})
	eventually(t, "the receiver listens", func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	for secret, want := range map[string]string{secret: "204", webhooktest.NewSecret(): "400"} {
		shell := exec.Command("sh", "-euc", block("sh"))
		shell.Dir, shell.Env = dir, []string{"PATH=" + os.Getenv("PATH"), "ADDR=" + address, "WEBHOOK_SECRET=" + secret}
		if said, err := shell.CombinedOutput(); err != nil || strings.TrimSpace(string(said)) != want {
			t.Errorf("the commands answer %q, want %s: %v", said, want, err)
		}
	}

	s := start(t, map[string]string{"MODELPROVIDERS_WEBHOOK_URL": "http://" + address + "/hook", "MODELPROVIDERS_WEBHOOK_SECRET": secret}, "--data-dir", filepath.Join(dir, "data"))
	s.signIn(t, filepath.Join(dir, "data"))
	provider := s.must(t, http.StatusCreated, "POST", "/providers", aProvider).text("id")
	s.must(t, http.StatusOK, "PATCH", "/providers/"+provider, `{"status":"inactive"}`)
	eventually(t, "the receiver prints the message", func() bool { return strings.Contains(printed.String(), provider) })
}
