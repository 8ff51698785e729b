package apitest

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
)

// Shared is one service over each database for all tests of a process that
// neither configure nor break it: they keep to workspaces of their own, and are
// spared the making of a database each.
type Shared struct {
	wrap    Wrap
	mu      sync.Mutex
	servers map[string]*Server
	last    *lasting
}

// NewShared returns services that are started when they are first used. Every
// exchange goes through wrap.
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

// lasting is a test that outlives the one it came from: what is to be cleaned
// up is left to the end.
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

// Helper marks no frame at the end, when there is no test.
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
