package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestNoCoreDumps: a crash leaves no credentials on the disk, and other processes
// can't read the memory, unless it is told to. The settings last as long as a
// process does, so that each is tried in one of its own.
func TestNoCoreDumps(t *testing.T) {
	const trying = "MODELPROVIDERS_TEST_CORE_DUMPS"
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &limit); err != nil {
		t.Fatal(err)
	}
	limit.Cur = limit.Max
	if os.Getenv(trying) != "" {
		if err := unix.Setrlimit(unix.RLIMIT_CORE, &limit); err != nil {
			t.Fatal(err)
		}
		if err := run(t.Context(), append(strings.Fields(os.Getenv(trying))[1:], "version"), os.Environ(), io.Discard, io.Discard); err != nil {
			t.Fatal(err)
		}
		dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := unix.Getrlimit(unix.RLIMIT_CORE, &limit); err != nil {
			t.Fatal(err)
		}
		fmt.Printf("limits %d %d, dumpable %d\n", limit.Cur, limit.Max, dumpable)
		return
	}
	off, on := "limits 0 0, dumpable 0\n", fmt.Sprintf("limits %d %d, dumpable 1\n", limit.Cur, limit.Max)
	for _, c := range []struct{ environment, flags, want string }{
		{"", "", off},
		{"off", "", off},
		{"on", "", on},
		{"", "--core-dumps=on", on},
		{"on", "--core-dumps=off", off},
	} {
		command := exec.Command(os.Args[0], "-test.run=^TestNoCoreDumps$")
		command.Env = []string{trying + "=with " + c.flags, "MODELPROVIDERS_CORE_DUMPS=" + c.environment}
		if out, err := command.CombinedOutput(); err != nil || !strings.HasPrefix(string(out), c.want) {
			t.Errorf("%q in the environment and the flags %q: %s, want %s", c.environment, c.flags, out, c.want)
		}
	}
}
