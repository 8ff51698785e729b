package api_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"modelproviders/api/apitest"
)

// checker holds every exchange of all tests of this package against the
// description of the API. It is shared because it gathers what all of them
// reach.
var checker *apitest.Checker

// shared are services for all tests that need none of their own.
var shared *apitest.Shared

// TestMain runs the tests, and fails when all of them together have not reached
// everything that the description promises.
func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	var err error
	if checker, err = apitest.NewChecker(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	shared = apitest.NewShared(checker.RoundTripper)
	code := m.Run()
	if !shared.Close() {
		return 1
	}
	if code != 0 || partly() {
		return code
	}
	if missing := checker.Uncovered(); len(missing) > 0 {
		fmt.Fprintf(os.Stderr, "FAIL: no test reached what the description documents:\n  %s\n", strings.Join(missing, "\n  "))
		return 1
	}
	return 0
}

// partly tells whether only some of the tests were asked for.
func partly() bool {
	for _, name := range []string{"test.run", "test.skip", "test.list", "test.fuzz"} {
		if flag.Lookup(name).Value.String() != "" {
			return true
		}
	}
	return false
}

// onShared runs a scenario on the shared service of each database. It has to
// keep to workspaces of its own.
func onShared(t *testing.T, scenario func(t *testing.T, s *apitest.Server)) {
	t.Helper()
	shared.OnEach(t, scenario)
}

// onEach runs a scenario on a fresh service over each database, which it may
// configure and break.
func onEach(t *testing.T, scenario func(t *testing.T, s *apitest.Server), options ...apitest.Option) {
	t.Helper()
	apitest.OnEach(t, checker.RoundTripper, scenario, options...)
}
