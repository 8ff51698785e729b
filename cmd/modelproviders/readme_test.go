package main

import (
	"bytes"
	"context"
	"flag"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"modelproviders/pkg/provider/providertest"
)

var update = flag.Bool("update", false, "write the answers of the sessions in documents anew")

// step is one command of a session with the answer printed below it.
type step struct{ command, answer string }

var stepForm = regexp.MustCompile("(?s)```sh\n(.*?)```\n(?:\n```text\n(.*?)```\n)?")

// TestReadmeSession runs the sessions of the README and of docs/changes.md as they are
// printed, in a shell, against the program and a stand-in for OpenAI, and compares each
// answer but for what differs every time.
func TestReadmeSession(t *testing.T) {
	for _, document := range []string{"README.md", "docs/changes.md"} {
		t.Run(document, func(t *testing.T) {
			t.Parallel()
			testSession(t, filepath.Join("../..", document))
		})
	}
}

func testSession(t *testing.T, document string) {
	needsPrograms(t, "bash", "curl", "jq")
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	var steps []step
	for _, m := range stepForm.FindAllStringSubmatch(string(text), -1) {
		steps = append(steps, step{command: m[1], answer: m[2]})
	}
	fake := providertest.OpenAI()
	credentials, _ := fake.Settings("")
	key := credentials["api_key"].(string)
	upstream := providertest.Start(t, fake)
	upstream.Say("Hello!")

	dir := t.TempDir()
	addr := serveForSession(t, filepath.Join(dir, "data"), upstream.ProviderEndpoints())
	answers := runSession(t, dir, addr, key, steps)
	hide := strings.NewReplacer(key, "sk-proj-…", upstream.Host(), "api.openai.com", "http://api.openai.com", "https://api.openai.com").Replace
	for i := range answers {
		answers[i] = hide(hide(answers[i]))
	}
	if *update {
		writeSession(t, document, string(text), answers)
		return
	}
	if len(steps) != len(answers) {
		t.Fatalf("%d steps, %d answers", len(steps), len(answers))
	}
	for i, s := range steps {
		for line := range strings.SplitSeq(s.command+s.answer, "\n") {
			if len(line) > 100 && !strings.HasPrefix(line, "data: ") {
				t.Errorf("a line of the session has %d bytes: %s", len(line), line)
			}
		}
		if got, want := normalise(answers[i]), normalise(s.answer); got != want {
			t.Errorf("the answer is not the real one; go test ./cmd/modelproviders -run Readme -update writes it\n%s\n got: %s\nwant: %s", s.command, got, want)
		}
	}
}

// serveForSession runs the program and returns where it listens.
func serveForSession(t *testing.T, dataDir, endpoints string) (addr string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr = listener.Addr().String()
	listener.Close()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	reader, writer := io.Pipe()
	go func() {
		ended <- run(ctx, []string{"--addr", addr, "--data-dir", dataDir, "--provider-endpoints", endpoints},
			environmentOf(nil), io.Discard, writer)
		writer.Close()
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	serving := make(chan struct{})
	go func() {
		var log bytes.Buffer
		chunk := make([]byte, 4096)
		for told := false; ; {
			n, err := reader.Read(chunk)
			log.Write(chunk[:n])
			if !told && strings.Contains(log.String(), "msg=serving") {
				told = true
				close(serving)
			}
			if err != nil {
				return
			}
		}
	}()
	select {
	case <-serving:
	case err := <-ended:
		ended <- nil
		t.Fatal("the program did not start: ", err)
	}
	return addr
}

// runSession runs the commands in one shell and returns what each printed.
func runSession(t *testing.T, dir, addr, key string, steps []step) []string {
	t.Helper()
	const mark = "\x1eend of step\x1e"
	script := "set -eu\n"
	for _, s := range steps {
		script += strings.ReplaceAll(s.command, "127.0.0.1:8080", addr) + "\nprintf '%s' '" + mark + "'\n"
	}
	shell := exec.CommandContext(t.Context(), "bash", "-c", script)
	shell.Dir = dir
	shell.Env = append(os.Environ(), "OPENAI_API_KEY="+key)
	var stderr bytes.Buffer
	shell.Stderr = &stderr
	out, err := shell.Output()
	if err != nil {
		t.Fatalf("%v\n%s%s", err, out, stderr.String())
	}
	answers := strings.Split(string(out), mark)
	return answers[:len(answers)-1]
}

func writeSession(t *testing.T, document, text string, answers []string) {
	t.Helper()
	i := 0
	text = stepForm.ReplaceAllStringFunc(text, func(found string) string {
		command := stepForm.FindStringSubmatch(found)[1]
		block := "```sh\n" + command + "```\n"
		if answers[i] != "" {
			block += "\n```text\n" + answers[i] + "```\n"
		}
		i++
		return block
	})
	if err := os.WriteFile(document, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// normalise takes out of an answer what differs every time.
func normalise(answer string) string {
	for _, varying := range []string{
		`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`,
		`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`,
		`_ms": ?\d+`,
		`[\w-]{54}`, // a cursor of changes
	} {
		answer = regexp.MustCompile(varying).ReplaceAllString(answer, "~")
	}
	return answer
}
