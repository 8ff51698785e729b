package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// asProgram makes the test binary act as the program, for tests that need several
// processes.
const asProgram = "MODELPROVIDERS_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	flag.Parse()
	if atOnce := flag.Lookup("test.parallel").Value; atOnce.String() == strconv.Itoa(runtime.GOMAXPROCS(0)) { // the default
		// Most parallel tests wait for other processes.
		_ = atOnce.Set(strconv.Itoa(2 * runtime.GOMAXPROCS(0)))
	}
	os.Exit(m.Run())
}

const environmentPrefix = "MODELPROVIDERS_"

// patience bounds every wait. It is reached only if something is broken.
const patience = time.Minute

// service is the running program.
type service struct {
	url    string
	token  string // sent with every call; empty: none
	stderr *output
	stop   func() error
}

// environmentOf makes an environment of pairs of name and value. Unless these say
// something else core dumps are on: this process keeps its limits, which the
// programs that it launches begin with.
func environmentOf(variables map[string]string) []string {
	environ := []string{"MODELPROVIDERS_CORE_DUMPS=on"}
	for name, value := range variables {
		environ = append(environ, name+"="+value)
	}
	return environ
}

// start runs the program in this process until it serves. It is stopped at the
// end of the test, or by stop, which returns what run returned.
func start(t *testing.T, variables map[string]string, args ...string) *service {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s := &service{stderr: &output{}}
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, append([]string{"--addr", "127.0.0.1:0"}, args...), environmentOf(variables), io.Discard, s.stderr)
	}()
	s.stop = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	t.Cleanup(func() {
		if err := s.stop(); err != nil {
			t.Error("the program ended with:", err)
		}
	})
	s.waitServing(t, func() bool {
		select {
		case err := <-ended:
			ended <- err
			return true
		default:
			return false
		}
	})
	if s.url == "" {
		t.Fatal("the program does not serve, it ended with: ", s.stop())
	}
	return s
}

// launch starts the program as a process, on a free port unless args have --addr. It
// does not wait.
func launch(t *testing.T, args ...string) *process {
	t.Helper()
	return launchWith(t, nil, args...)
}

// launchWith is launch with more environment variables, in the form of [os.Environ].
func launchWith(t *testing.T, environ []string, args ...string) *process {
	t.Helper()
	if !slices.Contains(args, "--addr") {
		args = append([]string{"--addr", "127.0.0.1:0"}, args...)
	}
	p := &process{service: service{stderr: &output{}}, ended: make(chan struct{})}
	p.command = exec.Command(os.Args[0], args...)
	p.command.Env = []string{asProgram + "=1", "PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}
	p.command.Env = append(p.command.Env, environ...)
	p.command.Dir = t.TempDir()
	p.command.Stderr = p.stderr
	if err := p.command.Start(); err != nil {
		t.Fatal("start the program:", err)
	}
	go func() {
		p.err = p.command.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		p.signal(os.Kill)
		<-p.ended
	})
	return p
}

// process is the program as a process.
type process struct {
	service
	command *exec.Cmd
	ended   chan struct{}
	err     error // how it ended, once it has
}

func (p *process) signal(s os.Signal) { _ = p.command.Process.Signal(s) } // it may have ended

// settle waits until the process serves or ends, and reports whether it serves.
func (p *process) settle(t *testing.T) bool {
	t.Helper()
	p.waitServing(t, p.hasEnded)
	return !p.hasEnded()
}

func (p *process) hasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// servingLine is the log line that says where the service answers.
var servingLine = regexp.MustCompile(`(?:msg=serving url=|"msg":"serving","url":")([^"\s]+)`)

// waitServing waits until the log says where the service answers, or the
// program has ended instead.
func (s *service) waitServing(t *testing.T, hasEnded func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		over := hasEnded()
		if found := servingLine.FindStringSubmatch(s.stderr.String()); found != nil {
			s.url = found[1]
			return
		}
		if over {
			return
		}
	}
	t.Fatalf("the program does not serve; it said:\n%s", s.stderr)
}

// eventually waits until a condition is true.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("this never happened: ", what)
		}
	}
}

// output collects what is written.
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

// tail returns the end of a long output.
func (o *output) tail() string {
	text := o.String()
	return text[max(0, len(text)-4000):]
}

// answer is the answer to a call.
type answer struct {
	status int
	header http.Header
	body   map[string]any // nil for an empty body
}

// text returns a string of the body, or an empty one.
func (a answer) text(name string) string {
	s, _ := a.body[name].(string)
	return s
}

// is fails the test unless the answer has that status and those strings in its body.
func (a answer) is(t *testing.T, status int, texts map[string]string) {
	t.Helper()
	if a.status != status {
		t.Errorf("the status is %d, want %d", a.status, status)
	}
	got := map[string]string{}
	for name := range texts {
		got[name] = a.text(name)
	}
	if diff := cmp.Diff(texts, got); diff != "" {
		t.Errorf("the answer (-want +got):\n%s", diff)
	}
}

// call makes one request, with a JSON body unless that is empty.
func (s *service) call(t *testing.T, method, path, body string) answer {
	t.Helper()
	return s.callWith(t, http.DefaultClient, method, path, body, nil)
}

func (s *service) callWith(t *testing.T, client *http.Client, method, path, body string, header http.Header) answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		request.Header[name] = values
	}
	if s.token != "" {
		request.Header.Set("Authorization", "Bearer "+s.token)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	got := answer{status: response.StatusCode, header: response.Header}
	if err := json.NewDecoder(response.Body).Decode(&got.body); err != nil && !errors.Is(err, io.EOF) {
		t.Fatalf("%s %s answered %d with a body that is no JSON: %v", method, path, got.status, err)
	}
	return got
}

// must fails the test unless a call is answered with that status.
func (s *service) must(t *testing.T, status int, method, path, body string) answer {
	t.Helper()
	got := s.call(t, method, path, body)
	if got.status != status {
		t.Fatalf("%s %s answered %d, not %d: %v\n%s", method, path, got.status, status, got.body, s.stderr)
	}
	return got
}

// signIn uses the admin token that a data directory holds.
func (s *service) signIn(t *testing.T, dir string) {
	t.Helper()
	s.token = strings.TrimSpace(readFile(t, filepath.Join(dir, "admin.token")))
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func encode(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// needsPrograms skips a test for which a program is not installed, and fails it with CI=true.
func needsPrograms(t *testing.T, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal(err)
			}
			t.Skip(err)
		}
	}
}
