package apitest

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
)

// Shared has one service on each database, for all tests of a process that neither
// configure nor break it. Each test uses its own workspaces, so that it needs no
// database of its own.
type Shared struct {
	wrap    Wrap
	mu      sync.Mutex
	servers map[string]*Server
	last    *lasting
}

// NewShared returns services that start when they are first used. wrap wraps the
// transport of every exchange.
func NewShared(wrap Wrap) *Shared {
	return &Shared{wrap: wrap, servers: map[string]*Server{}, last: &lasting{}}
}

// OnEach runs a scenario on the service over each database.
func (s *Shared) OnEach(t *testing.T, scenario func(t *testing.T, s *Server)) {
	t.Parallel()
	for _, name := range DatabaseNames() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			scenario(t, s.server(t, name))
		})
	}
}

func (s *Shared) server(t *testing.T, database string) *Server {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.servers[database] == nil {
		s.last.TB = t // whose test fails, or is skipped, when it can't be started
		s.servers[database] = Start(s.last, s.wrap, database)
	}
	return s.servers[database]
}

// Close stops the services. It reports whether all went well.
func (s *Shared) Close() bool {
	s.last.TB = nil
	for i := len(s.last.cleanups) - 1; i >= 0; i-- {
		s.last.cleanups[i]()
	}
	return !s.last.failed
}

// lasting is a testing.TB that outlives its test: it runs cleanups at the end of the
// process.
type lasting struct {
	testing.TB
	cleanups []func()
	failed   bool
}

// Cleanup keeps f until the end.
func (l *lasting) Cleanup(f func()) { l.cleanups = append(l.cleanups, f) }

// Context is done never.
func (l *lasting) Context() context.Context { return context.Background() }

// TempDir is a directory until the end.
func (l *lasting) TempDir() string {
	dir, err := os.MkdirTemp("", "apitest-")
	if err != nil {
		l.Fatal(err)
	}
	l.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			l.Error(err)
		}
	})
	return dir
}

// Helper does nothing at the end, when there is no test.
func (l *lasting) Helper() {
	if l.TB != nil {
		l.TB.Helper()
	}
}

// Error fails the test, or, at the end, the process.
func (l *lasting) Error(args ...any) {
	if l.TB != nil {
		l.TB.Error(args...)
		return
	}
	l.failed = true
	fmt.Fprintln(os.Stderr, args...)
}
