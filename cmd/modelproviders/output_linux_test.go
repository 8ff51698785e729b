package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestOutputForPeople: on a terminal, results have headings and columns.
func TestOutputForPeople(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	onTerminal := func(args ...string) (stdout, stderr string) {
		var said bytes.Buffer
		terminal, read := openTerminal(t)
		err := run(t.Context(), append(args, "--data-dir", dir), environmentOf(nil), terminal, &said)
		if err != nil {
			t.Fatal(err)
		}
		return read(), said.String()
	}
	value, note := onTerminal("tokens", "create", "--role", "viewer", "--name", "Dashboard")
	if !strings.HasPrefix(value, "mp_") || !strings.Contains(note, "can't be shown again") {
		t.Errorf("a new token is printed as %q, with the note %q", value, note)
	}
	list, _ := onTerminal("tokens", "list")
	lines := strings.Split(list, "\n")
	if !strings.HasPrefix(lines[0], "ID  ") || strings.Index(lines[0], "NAME") != strings.Index(lines[1], "Dashboard") || strings.Contains(list, "\t") {
		t.Errorf("the tokens are listed as\n%s", list)
	}
	if asJSON, _ := onTerminal("tokens", "list", "--json"); !strings.HasPrefix(asJSON, `{"id":`) {
		t.Errorf("with --json the tokens are listed as\n%s", asJSON)
	}
}

// openTerminal opens a pseudo-terminal to print on. read returns what was printed, once.
func openTerminal(t *testing.T) (terminal *os.File, read func() string) {
	t.Helper()
	other, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("there are no pseudo-terminals: ", err)
	}
	t.Cleanup(func() { _ = other.Close() })
	fd := int(other.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return terminal, func() string {
		_ = terminal.Close()
		var text []byte
		chunk := make([]byte, 4096)
		for {
			n, err := other.Read(chunk) // fails once nothing is left: the other end is closed
			text = append(text, chunk[:n]...)
			if err != nil {
				return strings.ReplaceAll(string(text), "\r\n", "\n")
			}
		}
	}
}

// TestProgressOnATerminal: a bar on one line, with the rate and the time left. A message
// stands on a line of its own.
func TestProgressOnATerminal(t *testing.T) {
	terminal, read := openTerminal(t)
	p := newProgress(streams{stderr: terminal}, "values")
	passed := time.Second
	p.now = func() time.Time { return p.began.Add(passed) }
	p.update(10, 40)
	p.say("one is broken")
	passed = 2 * time.Second
	p.update(20, 40)
	p.update(30, 40) // too soon to be drawn
	p.update(40, 40)
	p.end()
	want := clearLine + "[######                   ] 10 of 40 values, 10 per second, 3s left" +
		clearLine + "one is broken\n" +
		clearLine + "[######                   ] 10 of 40 values, 10 per second, 3s left" +
		clearLine + "[############             ] 20 of 40 values, 10 per second, 2s left" +
		clearLine + "[#########################] 40 of 40 values, 20 per second\n"
	if got := read(); got != want {
		t.Errorf("printed\n%q, want\n%q", got, want)
	}
}

// TestKeysOnATerminal: a table of the keys, and a bar while values are resealed.
func TestKeysOnATerminal(t *testing.T) {
	b := newKeysBed(t, 2)
	b.promoteNew(t)
	onTerminal := func(args ...string) string {
		t.Helper()
		terminal, read := openTerminal(t)
		if err := run(t.Context(), append(append([]string{"keys"}, args...), b.flags...), environmentOf(nil), terminal, terminal); err != nil {
			t.Fatal(err)
		}
		return read()
	}
	if got := onTerminal("reseal"); !strings.Contains(got, clearLine+"[#########################] 4 of 4 values, ") || !strings.HasSuffix(got, "\nRESEALED  UNREADABLE\n4         0\n") {
		t.Errorf("printed\n%q", got)
	}
	lines := strings.Split(onTerminal("list"), "\n")
	if !strings.HasPrefix(lines[0], "ID ") || !strings.Contains(lines[1], "enabled") || strings.Index(lines[0], "STATE") != strings.Index(lines[2], "sealing") || !strings.Contains(lines[2], " 0m ") {
		t.Errorf("printed\n%s", strings.Join(lines, "\n"))
	}
	if got := onTerminal("retire", fmt.Sprint(b.list(t)[0].ID)); !strings.Contains(got, "cursors") {
		t.Errorf("printed\n%s", got)
	}
}
