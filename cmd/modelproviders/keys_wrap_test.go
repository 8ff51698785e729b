package main

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"modelproviders/pkg/secret/kek/kektest"
)

// command runs a command as a process, and returns what it writes and its exit status.
func command(t *testing.T, environ []string, args ...string) (said string, status int) {
	t.Helper()
	c := exec.CommandContext(t.Context(), os.Args[0], args...)
	c.Env = append([]string{asProgram + "=1"}, environ...)
	c.Dir = t.TempDir()
	out, err := c.CombinedOutput()
	if c.ProcessState == nil {
		t.Fatal(err)
	}
	return string(out), c.ProcessState.ExitCode()
}

// succeeds fails the test unless a command does so.
func succeeds(t *testing.T, environ []string, args ...string) string {
	t.Helper()
	said, status := command(t, environ, args...)
	if status != 0 {
		t.Fatalf("%s ended with %d: %s", args, status, said)
	}
	return said
}

// refuses fails the test unless a command ends with a status and says all these words.
func refuses(t *testing.T, status int, environ, args []string, words ...string) {
	t.Helper()
	said, got := command(t, environ, args...)
	if got != status {
		t.Errorf("%s ended with %d, want %d: %s", args, got, status, said)
	}
	for _, word := range words {
		if !strings.Contains(said, word) {
			t.Errorf("%s does not say %q: %s", args, word, said)
		}
	}
}

func withKEK(s *kektest.Server) []string {
	return append(s.Environ, "MODELPROVIDERS_KEYSET_KEK="+s.URI)
}

// reveals checks that a credential can still be decrypted.
func (s *service) reveals(t *testing.T, provider string) {
	t.Helper()
	s.must(t, http.StatusOK, "POST", "/providers/"+provider+"/credentials/api_key/reveal", "")
}

func (p *process) hasWarnings(t *testing.T) bool {
	t.Helper()
	return p.must(t, http.StatusOK, "GET", "/readyz", "").body["warnings"] != nil
}

func (p *process) end(t *testing.T) {
	t.Helper()
	p.signal(syscall.SIGTERM)
	if <-p.ended; p.err != nil {
		t.Errorf("the process ended with %v:\n%s", p.err, p.stderr)
	}
}

// A service asks its KMS when it starts and when it reloads, and can do without it
// otherwise.
func TestServiceWithEachKMS(t *testing.T) {
	for _, fake := range kektest.Fakes() {
		t.Run(fake.Name, func(t *testing.T) {
			t.Parallel()
			kms, dir := kektest.Start(t, fake), filepath.Join(t.TempDir(), "data")
			args := []string{"--data-dir", dir, "--rate-reveals", "0"}
			kms.Use(kektest.Disabled)
			refuses(t, exitFailed, withKEK(kms), append([]string{"serve", "--addr", "127.0.0.1:0"}, args...), fake.Name, "could not encrypt the keys", "enable or restore the key")
			if _, err := os.Stat(filepath.Join(dir, "keyset.json")); err == nil {
				t.Error("there is a keyset, although the KMS refused to encrypt it")
			}
			kms.Use(kektest.Success)
			p := launchWith(t, withKEK(kms), args...)
			if !p.settle(t) {
				t.Fatalf("the process ended:\n%s", p.stderr)
			}
			p.signIn(t, dir)
			if keyset := readFile(t, filepath.Join(dir, "keyset.json")); !strings.Contains(keyset, "encryptedKeyset") {
				t.Error("the first start created a keyset that is not encrypted")
			}
			id := p.must(t, http.StatusCreated, "POST", "/providers", aProvider).text("id")

			kms.Use(kektest.Denied)
			calls := kms.Calls()
			p.reveals(t, id)
			if n := kms.Calls(); n != calls {
				t.Errorf("the KMS was asked %d times without a reload", n-calls)
			}
			p.signal(syscall.SIGHUP)
			p.waitFor(t, "could not reload the keyset")
			eventually(t, "/readyz has a warning", func() bool { return p.hasWarnings(t) })
			p.reveals(t, id)
			kms.Use(kektest.Success)
			p.signal(syscall.SIGHUP)
			p.waitFor(t, "reloaded the keyset")
			eventually(t, "/readyz has no warning", func() bool { return !p.hasWarnings(t) })

			kms.Stop()
			p.must(t, http.StatusCreated, "POST", "/providers", strings.Replace(aProvider, "Production", "Another", 1))
			p.reveals(t, id)
			p.end(t)
			refuses(t, exitFailed, withKEK(kms), append([]string{"serve", "--addr", "127.0.0.1:0"}, args...), fake.Name, "could not be decrypted", "connection refused", "check the address")
		})
	}
}

func TestWrapAndUnwrapAKeyset(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	data := []string{"--data-dir", dir}
	keys := func(args ...string) []string { return append(append([]string{"keys"}, args...), data...) }
	p := launch(t, append(data, "--rate-reveals", "0")...)
	if !p.settle(t) {
		t.Fatalf("the process ended:\n%s", p.stderr)
	}
	p.signIn(t, dir)
	id := p.must(t, http.StatusCreated, "POST", "/providers", aProvider).text("id")
	path := filepath.Join(dir, "keyset.json")
	plain := readFile(t, path)

	var all []string
	var servers []*kektest.Server
	for _, fake := range kektest.Fakes() {
		server := kektest.Start(t, fake)
		servers, all = append(servers, server), append(all, server.Environ...)
	}
	refuses(t, exitUsage, nil, keys("wrap"), "MODELPROVIDERS_KEYSET_KEK")
	refuses(t, exitUsage, nil, keys("wrap", "--keyset-kek", "aws-kms://x"), "aws-kms://arn:aws:kms:")
	refuses(t, exitUsage, nil, keys("wrap", "--keyset-kek", servers[0].URI, "--from-kek", "x"), "MODELPROVIDERS_FROM_KEK")
	refuses(t, exitFailed, withKEK(servers[0]), append([]string{"tokens", "list"}, data...), "keys wrap")
	refuses(t, exitFailed, withKEK(servers[0]), keys("unwrap"), "is not encrypted")

	out := filepath.Join(t.TempDir(), "wrapped.json")
	succeeds(t, withKEK(servers[0]), keys("wrap", "--out", out)...)
	refuses(t, exitFailed, withKEK(servers[0]), keys("wrap", "--out", out), "exists")
	if readFile(t, path) != plain {
		t.Error("--out changed the keyset itself")
	}

	succeeds(t, withKEK(servers[0]), keys("wrap")...)
	p.signal(syscall.SIGHUP)
	p.waitFor(t, "MODELPROVIDERS_KEYSET_KEK")
	eventually(t, "/readyz has a warning", func() bool { return p.hasWarnings(t) })
	p.reveals(t, id)
	p.end(t)
	refuses(t, exitFailed, nil, append([]string{"serve", "--addr", "127.0.0.1:0"}, data...), "MODELPROVIDERS_KEYSET_KEK")
	refuses(t, exitFailed, withKEK(servers[1]), keys("wrap"), "--from-kek")

	// Every command that reads the keyset takes the KEK, also that of another KMS.
	for i, server := range servers {
		if i > 0 {
			succeeds(t, append(all, "MODELPROVIDERS_KEYSET_KEK="+server.URI), keys("wrap", "--from-kek", servers[i-1].URI)...)
			refuses(t, exitFailed, withKEK(servers[i-1]), append([]string{"tokens", "list"}, data...), "could not be decrypted")
		}
		for _, args := range [][]string{{"tokens", "list"}, {"audit", "verify"}, {"audit", "export"}, {"doctor"}} {
			succeeds(t, withKEK(server), append(args, data...)...)
		}
	}
	last := servers[len(servers)-1]
	if said := succeeds(t, withKEK(last), keys("unwrap", "--json")...); !strings.Contains(said, path) {
		t.Errorf("printed %s", said)
	}
	if readFile(t, path) != plain {
		t.Error("the keyset is another one after it was wrapped and unwrapped")
	}
	p = launch(t, append(data, "--rate-reveals", "0")...)
	if !p.settle(t) {
		t.Fatalf("the process ended:\n%s", p.stderr)
	}
	p.signIn(t, dir)
	p.reveals(t, id)
	p.end(t)
}

func TestRotateWithEachKMS(t *testing.T) {
	for _, fake := range kektest.Fakes() {
		t.Run(fake.Name, func(t *testing.T) {
			t.Parallel()
			kms, dir := kektest.Start(t, fake), filepath.Join(t.TempDir(), "data")
			path := filepath.Join(dir, "keyset.json")
			data := []string{"--data-dir", dir}
			succeeds(t, withKEK(kms), append([]string{"keys", "create"}, data...)...)
			created := readFile(t, path)
			p := launchWith(t, withKEK(kms), data...)
			if !p.settle(t) {
				t.Fatalf("the process ended:\n%s", p.stderr)
			}
			p.signIn(t, dir)
			id := p.must(t, http.StatusCreated, "POST", "/providers", aProvider).text("id")
			p.end(t)

			succeeds(t, withKEK(kms), append([]string{"keys", "rotate"}, data...)...)
			for _, keyset := range []string{created, readFile(t, path)} {
				if !strings.Contains(keyset, "encryptedKeyset") {
					t.Error("the keyset is not encrypted")
				}
			}
			if readFile(t, path) == created {
				t.Error("the keyset was not changed")
			}
			p = launchWith(t, withKEK(kms), data...)
			if !p.settle(t) {
				t.Fatalf("the process ended:\n%s", p.stderr)
			}
			p.signIn(t, dir)
			p.reveals(t, id)
			p.end(t)
		})
	}
}
