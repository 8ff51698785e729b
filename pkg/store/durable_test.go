package store_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"modelproviders/pkg/store"
	"modelproviders/pkg/store/storetest"
)

// A test process with writePath set writes rows there, from several callers at
// once, and prints the name of each as soon as it was told that it is stored.
const (
	writePath = "STORE_TEST_WRITE_PATH"
	writeAs   = "STORE_TEST_WRITE_AS" // begins the names
	// rowsToWrite is how many rows such a process writes, if nobody kills it.
	rowsToWrite = 300
)

func writeRows(path, as string) error {
	s, err := store.Open(context.Background(), store.Config{SQLitePath: path})
	if err != nil {
		return err
	}
	const callers = 16
	var number atomic.Int64
	errs := make(chan error, callers)
	for range callers {
		go func() {
			for {
				n := number.Add(1)
				if n > rowsToWrite {
					errs <- nil
					return
				}
				name := fmt.Sprintf("<%s-%05d>", as, n)
				_, err := s.Claim(context.Background(), name, []byte{1})
				if err == nil {
					_, err = fmt.Println(name)
				}
				if err != nil {
					errs <- fmt.Errorf("write %s: %w", name, err)
					return
				}
			}
		}()
	}
	for range callers {
		if err := <-errs; err != nil {
			return err
		}
	}
	return s.Close()
}

// writer returns the command of a process that writes rows.
func writer(t *testing.T, path, as string, under ...string) *exec.Cmd {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	args := append(under, program)
	command := exec.CommandContext(t.Context(), args[0], args[1:]...)
	command.Env = append(os.Environ(), writePath+"="+path, writeAs+"="+as)
	command.Stderr = os.Stderr
	return command
}

// wantRows checks that those rows are stored in a sound file.
func wantRows(t *testing.T, path string, names []string) {
	t.Helper()
	s, err := store.Open(t.Context(), store.Config{SQLitePath: path})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if _, err := s.Claimed(t.Context(), name); err != nil {
			t.Errorf("the row %s was acknowledged and is not there: %v", name, err)
		}
	}
	var sound string
	if err := s.Writer().QueryRowContext(t.Context(), "PRAGMA integrity_check").Scan(&sound); err != nil || sound != "ok" {
		t.Errorf("the file is not sound: %v %v", sound, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestKilledWriter kills a process that writes, over and over: what it had
// acknowledged is there.
func TestKilledWriter(t *testing.T) {
	storetest.Long(t)
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	var acknowledged []string
	for i := range 20 {
		command := writer(t, path, fmt.Sprint("kill", i))
		out, err := command.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		killAfter := rand.IntN(rowsToWrite * 3 / 4)
		before := len(acknowledged)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if acknowledged = append(acknowledged, lines.Text()); len(acknowledged)-before == killAfter+1 {
				_ = command.Process.Kill()
			}
		}
		if err := command.Wait(); err == nil {
			t.Errorf("process %d ended before it was killed", i)
		}
		if len(acknowledged) == before {
			t.Fatalf("process %d acknowledged nothing", i)
		}
		wantRows(t, path, acknowledged)
	}
}

// TestTwoWriters has two processes write to one file, as when a new one takes
// over before the old one ends.
func TestTwoWriters(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	outs := make(chan string)
	for _, as := range []string{"old", "new"} {
		command := writer(t, path, as)
		go func() {
			out, err := command.Output()
			if err != nil {
				t.Errorf("the %s process: %v", as, err)
			}
			outs <- string(out)
		}()
	}
	names := strings.Fields(<-outs + <-outs)
	if len(names) != 2*rowsToWrite {
		t.Errorf("%d rows were written, want %d", len(names), 2*rowsToWrite)
	}
	wantRows(t, path, names)
}

// TestAnswersFollowTheSync looks at the system calls of a process that writes:
// before it acknowledges a row, what it wrote of that to the log of SQLite was
// flushed to the disk. Killing a process does not show this.
func TestAnswersFollowTheSync(t *testing.T) {
	t.Parallel()
	if out, err := exec.CommandContext(t.Context(), "strace", "-o", os.DevNull, "true").CombinedOutput(); err != nil {
		missing := fmt.Sprintf("strace does not work here: %v %s", err, out)
		if os.Getenv("CI") == "true" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	dir := t.TempDir()
	path, trace := filepath.Join(dir, "store.db"), filepath.Join(dir, "trace")
	command := writer(t, path, "synced", "strace", "-f", "-y", "-s", "5000", "-e", "trace=write,pwrite64,fsync,fdatasync", "-o", trace)
	if out, err := command.Output(); err != nil {
		t.Fatalf("the traced process: %v\n%s", err, out)
	}
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	acknowledged, syncs := followTrace(t, string(text))
	if acknowledged != rowsToWrite {
		t.Errorf("the trace shows %d acknowledged rows, want %d", acknowledged, rowsToWrite)
	}
	if syncs == 0 || syncs > rowsToWrite/2 {
		t.Errorf("%d rows took %d syncs: they were not committed together", rowsToWrite, syncs)
	}
}

var (
	tracedLine = regexp.MustCompile(`^(\d+) +(?:<\.\.\. \w+ resumed>)?(.*)$`)
	tracedRow  = regexp.MustCompile(`<synced-\d{5}>`)
)

// followTrace checks the order of the calls in a trace of strace, and returns
// how many rows were acknowledged and how often the log was synced.
func followTrace(t *testing.T, trace string) (acknowledged, syncs int) {
	t.Helper()
	begun := map[string]string{}     // calls that have not returned, by thread
	written := map[string]bool{}     // rows that were written to the log
	synced := map[string]bool{}      // and flushed
	flushes := map[string][]string{} // by a sync that has not returned, by thread
	for line := range strings.Lines(trace) {
		match := tracedLine.FindStringSubmatch(strings.TrimSpace(line))
		if match == nil {
			continue
		}
		thread, call := match[1], match[2]
		resumed := begun[thread] != ""
		whole := begun[thread] + call
		unfinished := strings.HasSuffix(call, "<unfinished ...>")
		delete(begun, thread)
		if unfinished {
			begun[thread] = call
		}
		log, answer := strings.Contains(whole, "-wal>"), strings.HasPrefix(whole, "write(1<")
		sync := strings.HasPrefix(whole, "fsync(") || strings.HasPrefix(whole, "fdatasync(")
		if answer && !resumed { // when it begins
			for _, row := range tracedRow.FindAllString(call, -1) {
				if acknowledged++; !synced[row] {
					t.Errorf("%s was acknowledged before it was flushed to the disk", row)
				}
			}
		}
		if log && sync && !resumed {
			for row := range written {
				flushes[thread] = append(flushes[thread], row)
			}
		}
		if log && sync && !unfinished {
			syncs++
			for _, row := range flushes[thread] {
				synced[row] = true
			}
			delete(flushes, thread)
		}
		if log && !sync && !unfinished { // when it is over
			for _, row := range tracedRow.FindAllString(whole, -1) {
				written[row] = true
			}
		}
	}
	return acknowledged, syncs
}
