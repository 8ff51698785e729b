package main_test

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"modelproviders/pkg/client"
	"modelproviders/pkg/provider/providertest"
	"modelproviders/pkg/store/storetest"
)

// patience bounds every wait. It is reached only if something is broken.
const patience = time.Minute

// programs are the directory with the programs of this test.
var programs string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "routing-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		programs = dir
		build := exec.Command("go", "build", "-o", dir, "modelproviders/cmd/modelproviders", "modelproviders/docs/examples/routing")
		if output, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "%v\n%s", err, output)
			return 1
		}
		return m.Run()
	}())
}

// program is a running program.
type program struct {
	*exec.Cmd
	stdout, stderr output
}

func run(t *testing.T, name string, env []string, args ...string) *program {
	t.Helper()
	p := &program{Cmd: exec.Command(filepath.Join(programs, name), args...)}
	p.Env = append(os.Environ(), env...)
	p.Stdout, p.Stderr = &p.stdout, &p.stderr
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	return p
}

// kill ends the program at once, as kill -9 does.
func (p *program) kill() {
	_ = p.Process.Kill()
	_ = p.Wait()
}

type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// scenario is a service and a router, each of which can be killed.
type scenario struct {
	*testing.T
	addr, dir, database string
	upstream            *providertest.Server
	service, router     *program
	admin               *client.Client
	env                 []string // of the router
}

func begin(t *testing.T, database string) *scenario {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	s := &scenario{T: t, addr: listener.Addr().String(), dir: t.TempDir(), database: database, upstream: providertest.Start(t, providertest.OpenAI())}
	s.upstream.PassChecks()
	s.startService()
	token, err := os.ReadFile(filepath.Join(s.dir, "admin.token"))
	if err != nil {
		t.Fatal(err)
	}
	s.env = []string{"MODELPROVIDERS_URL=http://" + s.addr, "MODELPROVIDERS_TOKEN=" + strings.TrimSpace(string(token))}
	if s.admin, err = client.New("http://"+s.addr, string(token)); err != nil {
		t.Fatal(err)
	}
	s.router = run(t, "routing", s.env)
	return s
}

func (s *scenario) startService() {
	s.Helper()
	s.service = run(s.T, "modelproviders", []string{"MODELPROVIDERS_DATABASE_URL=" + s.database},
		"--addr", s.addr, "--data-dir", s.dir, "--provider-endpoints", s.upstream.ProviderEndpoints())
	s.eventually("the service serves", func() bool { return strings.Contains(s.service.stderr.String(), "msg=serving") })
}

func (s *scenario) eventually(what string, holds func() bool) {
	s.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.Fatalf("this never happened: %s\nservice: %s\nrouter: %s%s", what, s.service.stderr.String(), s.router.stdout.String(), s.router.stderr.String())
		}
	}
}

// follows waits until the table of the router is what the API lists.
func (s *scenario) follows(what string) {
	s.Helper()
	var rows []string
	for _, stage := range []client.StageName{client.StageNamePlanning, client.StageNameToolCall, client.StageNameGuardrail} {
		params := client.ListModelsParams{Available: new(true), Stage: stage, Verified: new(true)}
		for model, err := range s.admin.ListModels(s.Context(), params) {
			if err != nil {
				s.Fatal(err)
			}
			rows = append(rows, strings.Join([]string{string(stage), model.ProviderName, model.ModelID}, " "))
		}
	}
	slices.Sort(rows)
	want := strings.Join(append([]string{"STAGE PROVIDER MODEL"}, rows...), "\n")
	began := time.Now()
	s.eventually(fmt.Sprintf("%s: the table is\n%s", what, want), func() bool { return s.table() == want })
	s.Logf("%s: %d rows after %s", what, len(rows), time.Since(began).Round(time.Millisecond))
}

// table is the last table that the router printed, with single spaces.
func (s *scenario) table() string {
	text := s.router.stdout.String()
	text, _, whole := strings.Cut(text[max(0, strings.LastIndex(text, "STAGE")):], "\n\n")
	if !whole {
		return ""
	}
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.Join(strings.Fields(lines[i]), " ")
	}
	return strings.Join(lines, "\n")
}

func TestRouterFollows(t *testing.T) {
	t.Parallel()
	for name, database := range map[string]func(testing.TB) string{
		"SQLite": func(testing.TB) string { return "" }, "PostgreSQL": func(t testing.TB) string { return storetest.Postgres(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := begin(t, database(t))
			s.follows("at first")
			first, second := s.create("First"), s.create("Second")
			s.follows("after two providers were created")
			m := first.Models[0]
			s.verify(first)
			s.verify(second)
			s.follows("after they were verified")
			s.edit(first, m, client.ModelUpdate{SupportedStages: []client.StageName{client.StageNameToolCall, client.StageNameGuardrail}})
			s.follows("after other stages")
			s.verify(first)
			s.follows("after these were verified")
			s.update(first, client.ProviderUpdate{Credentials: client.OpenAICredentials{APIKey: "sk-other"}})
			s.follows("after another key")
			s.update(first, client.ProviderUpdate{Credentials: s.upstream.Credentials})
			s.verify(first)
			s.follows("after a key that was verified")
			s.edit(first, m, client.ModelUpdate{Enabled: new(false)})
			s.follows("after a model was disabled")
			s.must(s.admin.DeleteModel(t.Context(), second.ID, second.Models[1].ID))
			s.follows("after a model was deleted")
			s.update(second, client.ProviderUpdate{Name: "Renamed"})
			s.follows("after a provider was renamed")
			s.update(second, client.ProviderUpdate{Status: client.ProviderStatusInactive})
			s.follows("after a provider was disabled")
			s.update(second, client.ProviderUpdate{Status: client.ProviderStatusActive})
			s.follows("after a provider was enabled")
			s.update(second, client.ProviderUpdate{Models: []client.ModelUpdateOfProvider{}})
			s.follows("after all models of a provider were removed") // the table was printed, so the router only waits

			s.service.kill()
			s.startService()
			third := s.create("Third")
			s.verify(third)
			s.follows("after the service was killed")
			if said := s.router.stderr.String(); said != "" {
				t.Errorf("the router read all models again: %s", said)
			}

			s.router.kill()
			s.must(s.admin.DeleteProvider(t.Context(), first.ID))
			s.router = run(t, "routing", s.env)
			s.follows("after the router was killed")

			s.killDuringEdits(third)
			s.follows("after the service was killed during edits")
		})
	}
}

// TestRouterReadsAgain: the changes that it has missed are not stored any more.
func TestRouterReadsAgain(t *testing.T) {
	t.Parallel()
	s := begin(t, "")
	p := s.create("First")
	s.verify(p)
	s.follows("at first")
	s.must(s.router.Process.Signal(syscall.SIGSTOP))
	start, err := s.admin.ListChanges(t.Context(), client.ListChangesParams{})
	s.must(err)
	for range 3 {
		s.edit(p, p.Models[0], client.ModelUpdate{DisplayName: time.Now().String()})
	}
	s.update(p, client.ProviderUpdate{Status: client.ProviderStatusInactive})
	s.eventually("the changes are numbered", func() bool {
		page, err := s.admin.ListChanges(t.Context(), client.ListChangesParams{After: start.NextCursor})
		return err == nil && len(page.Data) == 4
	})
	s.service.kill()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(s.dir, "modelproviders.db"))
	s.must(err)
	_, err = db.ExecContext(s.Context(), "DELETE FROM changes")
	s.must(err)
	s.must(db.Close())
	s.startService()
	s.must(s.router.Process.Signal(syscall.SIGCONT))
	s.follows("after changes were lost")
	s.eventually("the router says that it reads all models", func() bool {
		return strings.Contains(s.router.stderr.String(), "reading all models again: The changes after")
	})

	var revoked *exec.ExitError
	router := run(t, "routing", []string{s.env[0], "MODELPROVIDERS_TOKEN=mp_revoked"})
	if err := router.Wait(); !errors.As(err, &revoked) || !strings.Contains(router.stderr.String(), "token is not valid") {
		t.Errorf("a router with a token that is not valid ends with %v, and says: %s", err, router.stderr.String())
	}
}

func (s *scenario) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *scenario) create(name string) client.Provider {
	s.Helper()
	model := func(id string) client.ModelCreate {
		return client.ModelCreate{ModelID: id, SupportedStages: []client.StageName{client.StageNamePlanning}}
	}
	p, err := s.admin.CreateProvider(s.Context(), client.ProviderCreate{
		Name: name, Type: client.ProviderTypeNameOpenAI, Credentials: s.upstream.Credentials,
		Models: []client.ModelCreate{model(s.upstream.ModelID), model("gpt-5")},
	})
	s.must(err)
	return p
}

// verify checks the stages of all models.
func (s *scenario) verify(p client.Provider) {
	s.Helper()
	for _, model := range p.Models {
		_, err := s.admin.VerifyModel(s.Context(), model.ID, client.VerifyRequest{})
		s.must(err)
	}
}

func (s *scenario) update(p client.Provider, update client.ProviderUpdate) {
	s.Helper()
	_, err := s.admin.UpdateProvider(s.Context(), p.ID, update)
	s.must(err)
}

func (s *scenario) edit(p client.Provider, m client.ModelOfProvider, update client.ModelUpdate) {
	s.Helper()
	_, err := s.admin.UpdateModel(s.Context(), p.ID, m.ID, update)
	s.must(err)
}

// killDuringEdits kills the service while it is busy, and starts it again, three times.
func (s *scenario) killDuringEdits(p client.Provider) {
	s.Helper()
	var stop atomic.Bool // no context, because a canceled edit may be stored later
	var editing sync.WaitGroup
	for _, model := range p.Models {
		editing.Go(func() {
			for i := 0; !stop.Load(); i++ {
				if _, err := s.admin.UpdateModel(s.Context(), p.ID, model.ID, client.ModelUpdate{Enabled: new(i%2 == 0)}); err != nil {
					time.Sleep(10 * time.Millisecond) // the service is away
				}
			}
		})
	}
	for range 3 {
		time.Sleep(300 * time.Millisecond)
		s.service.kill()
		s.startService()
	}
	stop.Store(true)
	editing.Wait()
}
