// Package compose checks docker-compose.yml with the library of Docker Compose. It is
// a module of its own, so that go.mod of the program stays small.
package compose

import (
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// load reads docker-compose.yml as `docker compose --profile … config` does: against
// the schema, and with all references resolved.
func load(t *testing.T, profiles ...string) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{filepath.Join("..", "..", "docker-compose.yml")}, cli.WithProfiles(profiles))
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return project
}

func TestServices(t *testing.T) {
	for profile, want := range map[string][]string{
		"":         {"modelproviders", "postgres", "secrets"},
		"replicas": {"modelproviders", "modelproviders-2", "nginx", "postgres", "secrets"},
	} {
		got := load(t, profile).ServiceNames()
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("the profile %q has the services %q, want %q", profile, got, want)
		}
	}
}

// TestReplicas: both processes have the same keyset, token and settings.
func TestReplicas(t *testing.T) {
	project := load(t, "replicas")
	first, second := project.Services["modelproviders"], project.Services["modelproviders-2"]
	for _, dir := range []string{"/keys", "/data", "/secrets"} {
		if a, b := volumeAt(first, dir), volumeAt(second, dir); a == "" || a != b {
			t.Errorf("%s is the volume %q of one process and %q of the other", dir, a, b)
		}
	}
	for name, value := range first.Environment {
		if other := second.Environment[name]; other == nil || *other != *value {
			t.Errorf("%s differs", name)
		}
	}
}

func volumeAt(s types.ServiceConfig, dir string) string {
	for _, v := range s.Volumes {
		if v.Target == dir {
			return v.Source
		}
	}
	return ""
}

// TestNginx: nginx has the addresses of the processes, they trust its address, and its
// idle connections end before a process stops.
func TestNginx(t *testing.T) {
	project := load(t, "replicas")
	address := func(service string) string { return project.Services[service].Networks["proxy"].Ipv4Address }
	upstreams := readFile(t, "upstreams.conf")
	keepalive, err := time.ParseDuration(regexp.MustCompile(`keepalive_timeout (\w+);`).FindStringSubmatch(readFile(t, "nginx.conf"))[1])
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"modelproviders", "modelproviders-2"} {
		service := project.Services[name]
		if !strings.Contains(upstreams, "server "+address(name)+":8080 ") {
			t.Errorf("upstreams.conf does not contain the address of %s, %s", name, address(name))
		}
		trusted, err := netip.ParsePrefix(*service.Environment["MODELPROVIDERS_TRUSTED_PROXIES"])
		if err != nil || !trusted.Contains(netip.MustParseAddr(address("nginx"))) {
			t.Errorf("%s trusts %v, not nginx: %v", name, trusted, err)
		}
		delay, err := time.ParseDuration(*service.Environment["MODELPROVIDERS_SHUTDOWN_DELAY"])
		if err != nil || delay <= keepalive || time.Duration(*service.StopGracePeriod) < delay+30*time.Second {
			t.Errorf("%s: the delay is %v (%v), the time-out of nginx %v, the grace period %v", name, delay, err, keepalive, *service.StopGracePeriod)
		}
	}
	subnet := netip.MustParsePrefix(project.Networks["proxy"].Ipam.Config[0].Subnet)
	for _, name := range []string{"nginx", "modelproviders", "modelproviders-2"} {
		if !subnet.Contains(netip.MustParseAddr(address(name))) {
			t.Errorf("the address of %s, %s, is not in %v", name, address(name), subnet)
		}
	}
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", "..", "docs", "deploy", "nginx", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
