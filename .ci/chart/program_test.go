package chart_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// TestProgram starts the program with the environment of the rendered container, calls
// it as the kubelet and Prometheus do, and signs in as the notes say.
func TestProgram(t *testing.T) {
	program := filepath.Join(t.TempDir(), "modelproviders")
	if output, err := exec.Command("go", "build", "-C", "../..", "-o", program, "./cmd/modelproviders").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	keyset := newKeyset(t, program)
	values := exampleValues(t)
	for name, text := range map[string]string{
		"defaults":        values["defaults"],
		"sqlite":          values["sqlite"],
		"a keyset secret": values["sqlite"] + "keyset: {existingSecret: modelproviders-keyset}\n",
	} {
		t.Run(name, func(t *testing.T) {
			p := pod{t: t, program: program, dir: t.TempDir(), container: only[*appsv1.Deployment](t, objects(t, text)).Spec.Template.Spec.Containers[0]}
			p.write("secrets/keyset.json", keyset)
			p.start()
			for _, probe := range []*corev1.Probe{p.container.StartupProbe, p.container.LivenessProbe, p.container.ReadinessProbe} {
				p.get(probe.HTTPGet.Port.StrVal, probe.HTTPGet.Path, "")
			}
			if _, measured := p.addresses["metrics"]; measured {
				p.get("metrics", "/metrics", "")
			}
			token := p.run("tokens", "create", "--name", "admin", "--role", "admin")
			prefix := strings.TrimSuffix(p.container.LivenessProbe.HTTPGet.Path, "/healthz")
			var me struct{ Role string }
			if err := json.Unmarshal(p.get("http", prefix+"/me", strings.TrimSpace(token)), &me); err != nil || me.Role != "admin" {
				t.Errorf("the token's role is %q: %v", me.Role, err)
			}
		})
	}
}

// newKeyset makes a keyset as the README of the chart says.
func newKeyset(t *testing.T, program string) []byte {
	t.Helper()
	dir := t.TempDir()
	command := exec.Command(program, "keys", "create", "--out", filepath.Join(dir, "keyset.json"))
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	keyset, err := os.ReadFile(filepath.Join(dir, "keyset.json"))
	if err != nil {
		t.Fatal(err)
	}
	return keyset
}

// pod runs the program of a container in a folder, which stands for its file system.
type pod struct {
	t         *testing.T
	program   string
	dir       string
	container corev1.Container
	addresses map[string]string // by the name of the port
}

func (p *pod) write(name string, content []byte) {
	path := filepath.Join(p.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o440); err != nil {
		p.t.Fatal(err)
	}
}

// command is a command in the container. Its paths are in the folder, and its ports free.
func (p *pod) command(ctx context.Context, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, p.program, args...)
	command.Dir = p.dir
	for _, variable := range p.container.Env {
		value := variable.Value
		for _, port := range p.container.Ports {
			if value == fmt.Sprintf(":%d", port.ContainerPort) {
				value = p.addresses[port.Name]
			}
		}
		for _, mount := range p.container.VolumeMounts {
			if strings.HasPrefix(value, mount.MountPath) {
				value = filepath.Join(p.dir, value)
			}
		}
		command.Env = append(command.Env, variable.Name+"="+value)
	}
	return command
}

func (p *pod) start() {
	p.t.Helper()
	p.addresses = map[string]string{}
	for _, port := range p.container.Ports {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			p.t.Fatal(err)
		}
		p.addresses[port.Name] = listener.Addr().String()
		listener.Close()
	}
	var log bytes.Buffer
	command := p.command(context.Background())
	command.Stderr = &log
	if err := command.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		command.Process.Signal(syscall.SIGTERM)
		if err := command.Wait(); err != nil || strings.Contains(log.String(), "WARN") {
			p.t.Errorf("%v\n%s", err, &log)
		}
	})
}

// run runs a command in the container, and returns what it prints.
func (p *pod) run(args ...string) string {
	p.t.Helper()
	output, err := p.command(p.t.Context(), args...).Output()
	if err != nil {
		p.t.Fatalf("%v: %v", args, err)
	}
	return string(output)
}

// get calls a port of the pod. It waits until the program answers.
func (p *pod) get(port, path, token string) []byte {
	p.t.Helper()
	request, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, "http://"+p.addresses[port]+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		response, err := http.DefaultClient.Do(request)
		if err != nil && time.Now().Before(deadline) {
			continue
		}
		if err != nil {
			p.t.Fatal(err)
		}
		defer response.Body.Close()
		var body bytes.Buffer
		if _, err := body.ReadFrom(response.Body); err != nil || response.StatusCode != http.StatusOK {
			p.t.Fatalf("%s: %s %v\n%s", path, response.Status, err, &body)
		}
		return body.Bytes()
	}
}
