package apitest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"modelproviders/pkg/app"
	"modelproviders/pkg/audit"
	"modelproviders/pkg/auth"
	"modelproviders/pkg/store"
	"modelproviders/pkg/store/storetest"
)

// Wrap puts something between a client and the network that looks at every
// exchange; basePath is the prefix under which the service is mounted.
type Wrap func(base http.RoundTripper, basePath string) http.RoundTripper

// Option changes the configuration of a service before it starts.
type Option func(*app.Config)

// Server is a real service that listens on a local port.
type Server struct {
	URL      string // with the base path
	DataDir  string
	Database *Database
	Log      *Log
	Clock    *Clock

	basePath   string
	http       *http.Client
	store      *store.Store
	adminToken string
	workspaces atomic.Int64
}

// OnEach runs a scenario on a fresh service over each database. Every exchange
// goes through wrap.
func OnEach(t *testing.T, wrap Wrap, scenario func(t *testing.T, s *Server), options ...Option) {
	t.Parallel()
	for _, name := range DatabaseNames() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			scenario(t, Start(t, wrap, name, options...))
		})
	}
}

// Start boots a service over a database of that name, SQLite or PostgreSQL,
// and stops it when the test ends. Limits are off unless an option sets them.
func Start(t testing.TB, wrap Wrap, database string, options ...Option) *Server {
	t.Helper()
	s := &Server{DataDir: t.TempDir(), Log: &Log{}, Clock: &Clock{}}
	s.Database = engines()[database](t, s.DataDir)
	cfg := app.Config{
		Addr: "127.0.0.1:0", DataDir: s.DataDir, DatabaseURL: s.Database.url, DatabaseConnections: 10,
		Reveal: true, Console: app.Console{Enabled: true}, TestTimeout: 10 * time.Second, Logger: s.Log.logger(), Now: s.Clock.Now,
	}
	for _, option := range options {
		option(&cfg)
	}
	service, err := app.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal("start the service: ", err)
	}
	transport := &http.Transport{DisableCompression: true, ExpectContinueTimeout: 30 * time.Second}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := service.Close(); err != nil {
			t.Error("stop the service: ", err)
		}
	})
	s.URL, s.basePath = service.URL(), cfg.BasePath
	s.http = &http.Client{
		Transport:     wrap(transport, cfg.BasePath),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       time.Minute,
	}
	s.store = storetest.Open(t, store.Config{DatabaseURL: s.Database.url, SQLitePath: s.Database.file, MaxConns: 2})
	if !cfg.AuthOff {
		s.adminToken = firstToken(t, s.DataDir)
	}
	return s
}

func firstToken(t testing.TB, dataDir string) string {
	t.Helper()
	token, err := os.ReadFile(filepath.Join(dataDir, "admin.token"))
	if err != nil {
		t.Fatal("read the first token: ", err)
	}
	return strings.TrimSpace(string(token))
}

// Admin is a client with the token of the first start, in the workspace
// `default`.
func (s *Server) Admin(t testing.TB) *Client {
	return &Client{Token: s.adminToken, Workspace: auth.DefaultWorkspace, t: t, s: s}
}

// Workspace is an admin's client in a workspace of its own, so that scenarios
// on one service don't see each other's rows.
func (s *Server) Workspace(t testing.TB) *Client {
	t.Helper()
	workspace := fmt.Sprintf("workspace-%d", s.workspaces.Add(1))
	return &Client{Token: s.NewToken(t, workspace, auth.Admin), Workspace: workspace, t: t, s: s}
}

// NewToken stores a token behind the service's back and returns its value;
// change may alter what is stored.
func (s *Server) NewToken(t testing.TB, workspace string, role auth.Role, change ...func(*auth.Token)) string {
	t.Helper()
	var value string
	issue := issuer{Store: s.store, change: func(token *auth.Token) {
		token.Workspace, token.Role, token.Scopes = workspace, role, role.Scopes()
		for _, f := range change {
			f(token)
		}
	}}
	made, err := auth.NewTokens(issue, silent{}, time.Now).FirstAdmin(context.Background(), func(made string) error {
		value = made
		return nil
	})
	if err = errors.Join(err, t.Context().Err()); err != nil || !made {
		t.Fatalf("make a token: %t, %v", made, err)
	}
	return value
}

// issuer lets any number of tokens be made as the first one is, and be of any
// workspace and role.
type issuer struct {
	*store.Store
	change func(*auth.Token)
}

// HasTokens says that this is the first one.
func (issuer) HasTokens(context.Context) (bool, error) { return false, nil }

// Claim lets everyone win.
func (issuer) Claim(_ context.Context, _ string, value []byte) ([]byte, error) { return value, nil }

// silent keeps no event of a token that was made behind the service's back.
type silent struct{}

// Record implements [audit.Recorder].
func (silent) Record(context.Context, ...audit.Event) error { return nil }

// Seal implements [audit.Recorder].
func (silent) Seal(_ context.Context, e audit.Event) audit.Event { return e }

// CreateToken stores the changed token.
func (i issuer) CreateToken(ctx context.Context, token auth.Token) error {
	i.change(&token)
	return i.Store.CreateToken(ctx, token)
}

// VerifyAudit checks the audit chain of every workspace, as the operator does
// beside the running service, and returns what is broken.
func (s *Server) VerifyAudit(t testing.TB) (broken []string) {
	t.Helper()
	operator, err := app.OpenOperator(t.Context(), app.Config{DataDir: s.DataDir, DatabaseURL: s.Database.url, DatabaseConnections: 1, Logger: s.Log.logger()}, false)
	if err != nil {
		t.Fatal("open the data as the operator: ", err)
	}
	reports, err := operator.VerifyAudit(t.Context())
	if err != nil {
		t.Fatal("verify the audit log: ", err)
	}
	for _, report := range reports {
		if report.Break != nil {
			broken = append(broken, fmt.Sprintf("workspace %q, %s", report.Workspace, report.Break))
		}
	}
	if err := operator.Close(t.Context()); err != nil && len(broken) == 0 {
		t.Error("close the data: ", err)
	}
	return broken
}
