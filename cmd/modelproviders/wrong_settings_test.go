package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"modelproviders/pkg/app"
)

// wrongSettings returns the errors in the settings of a command, which must not run.
func wrongSettings(t *testing.T, variables map[string]string, args ...string) app.SettingErrors {
	t.Helper()
	var wrong app.SettingErrors
	err := run(t.Context(), args, environmentOf(variables), io.Discard, io.Discard)
	if !errors.As(err, &wrong) || conclude(err, io.Discard) != exitUsage {
		t.Fatalf("%v: %v", args, err)
	}
	return wrong
}

// TestWrongSettingsAreReportedAtOnce: everything that is wrong with arguments, variables
// and files is reported in one go, a setting by both names.
func TestWrongSettingsAreReportedAtOnce(t *testing.T) {
	t.Chdir(t.TempDir())
	missing := filepath.Join(t.TempDir(), "missing.pem")
	type wrong struct{ setting, value, says string }
	variables := []wrong{
		{"auth", "perhaps", `"perhaps" must be on or off`},
		{"test-timeout", "soon", `"soon" must be a duration such as 90s or 10m`},
		{"check-every", "30s", "30s must be from 1m0s to 24h0m0s, or off"},
		{"check-tests-per-day", "1441", "1441 must be from 1 to 1440, or 0"},
		{"rate-tests", "-1", "-1 must be from 1"},
		{"rate-reveals", "many", `"many" must be a whole number`},
		{"tests-in-flight", "1000001", "1000001 must be from 1"},
		{"database-connections", "0", "from 1 to 1000"},
		{"database-url", "postgres://me:hunter22#x@db/settings", "percent-encode"},
		{"base-path", "api", `"api"`},
		{"cors-origins", "*,https://ok.example.com,app.example.com", `"*" is not an exact origin such as https://app.example.com; "app.example.com"`},
		{"trusted-proxies", "10.0.0.1", "is not a CIDR"},
		{"allow-upstreams", "10.0.0.0/99", "is not a CIDR"},
		{"egress-proxy", "user:hunter22@proxy:3128", "must be an http, https or socks5 URL"},
		{"provider-endpoints", "nobody=https://host", `unknown provider endpoint "nobody"`},
		{"log-level", "loud", "debug, info, warn or error"},
	}
	flags := []wrong{
		{"addr", "nowhere", "must be host:port"},
		{"tls-cert", missing, "--tls-key (MODELPROVIDERS_TLS_KEY)"},
		{"reveal", "maybe", "on or off"},
		{"audit-retention", "90", "a number of days such as 90d"},
		{"demo", "perhaps", "true or false"},
		{"oidc-audience", "settings", "needs --oidc-issuer"},
		{"oidc-client-id", "console", "needs --oidc-issuer"},
		{"oidc-roles", "everyone=king", `"everyone=king" must be group=role`},
	}
	set, args := map[string]string{"MODELPROVIDERS_KEYSETT": "keys.json"}, []string{"--no-such-flag", "value", "serve", "--adr=127.0.0.1:80"}
	for _, w := range variables {
		set[app.Setting(w.setting).Variable()] = w.value
	}
	for _, w := range flags {
		args = append(args, "--"+w.setting+"="+w.value)
	}
	args = append(args, "--console", "off", "--console", "on", "--core-dumps")

	lines := wrongSettings(t, set, args...)
	expect := func(begin, says string) {
		t.Helper()
		for _, line := range lines {
			if rest, found := strings.CutPrefix(line, begin); found && strings.Contains(rest, says) {
				return
			}
		}
		t.Errorf("no line begins with %s and says %s", begin, says)
	}
	for _, w := range append(variables, flags...) {
		variable := "MODELPROVIDERS_" + strings.ToUpper(strings.ReplaceAll(w.setting, "-", "_"))
		expect(fmt.Sprintf("--%s (%s): ", w.setting, variable), w.says)
	}
	expect("unknown flag --no-such-flag", "")
	expect("unknown flag --adr", `"--addr"`)
	expect("MODELPROVIDERS_KEYSETT: ", "did you mean MODELPROVIDERS_KEYSET?")
	expect("--console (MODELPROVIDERS_CONSOLE): ", "more than once")
	expect("--core-dumps (MODELPROVIDERS_CORE_DUMPS): ", "needs a value")
	if want := len(variables) + len(flags) + 5; len(lines) != want {
		t.Errorf("%d lines, want %d", len(lines), want)
	}
	if strings.Contains(lines.Error(), "hunter22") {
		t.Error("a password is printed")
	}
	if t.Failed() {
		t.Log(lines)
	}
	for path := range contentsOf(t, ".") {
		t.Errorf("%s was created", path)
	}
}

func TestWrongArgumentsOfOtherCommands(t *testing.T) {
	for _, test := range []struct {
		args string
		want []string
	}{
		{"tokens create --expires-in soon", []string{
			`--expires-in (MODELPROVIDERS_EXPIRES_IN): "soon" must be a duration such as 90s or 10m`,
			"--name (MODELPROVIDERS_NAME): is required", "--role (MODELPROVIDERS_ROLE): is required"}},
		{"tokens create --name a --role king", []string{`--role (MODELPROVIDERS_ROLE): "king" must be viewer, editor or admin`}},
		{"tokens list --database-connections 0 --database-url mysql://h/d", []string{
			"--database-url (MODELPROVIDERS_DATABASE_URL): the database URL must begin with postgres:// or postgresql://",
			"--database-connections (MODELPROVIDERS_DATABASE_CONNECTIONS): 0 must be from 1 to 1000"}},
		{"keys rotate --rate=-1 --wait=-5s", []string{
			`--rate (MODELPROVIDERS_RATE): "-1" must be a whole number from 0 to 4294967295`,
			`--wait (MODELPROVIDERS_WAIT): "-5s" must not be negative`}},
		{"keys reseal --rate 4294967296", []string{`--rate (MODELPROVIDERS_RATE): "4294967296" must be a whole number from 0 to 4294967295`}},
		{"tokens list --addr 127.0.0.1:1", []string{"unknown flag --addr"}},
		{"tokens revoke", []string{`expected "<id>"; see ` + "`modelproviders --help`"}},
		{"tokens", []string{`expected one of "create", "list", "revoke"; see ` + "`modelproviders --help`"}},
		{"launch", []string{"unexpected argument launch; see `modelproviders --help`"}},
		{"serve postgres://me:hunter22@db/settings", []string{"unexpected argument that is a URL; see `modelproviders --help`"}},
	} {
		if got := wrongSettings(t, nil, strings.Fields(test.args)...); strings.Join(got, "\n") != strings.Join(test.want, "\n") {
			t.Errorf("%s is answered\n%s", test.args, strings.Join(got, "\n"))
		}
	}
}

// A variable that is no setting is an error only if it is almost a setting: others may
// be meant for something else.
func TestUnknownVariables(t *testing.T) {
	for name, nearest := range map[string]string{
		"DATADIR": "DATA_DIR", "DATA_DIRS": "DATA_DIR", "BASEPATH": "BASE_PATH", "TEST_TIMEOUTS": "TEST_TIMEOUT", "DATABASE_URL_FLE": "DATABASE_URL_FILE",
		"DATABSE_URL": "DATABASE_URL", "TOKENN": "TOKEN",
	} {
		wrong := wrongSettings(t, map[string]string{environmentPrefix + name: "x"}, "version")
		if want := environmentPrefix + name + ": there is no such setting; did you mean " + environmentPrefix + nearest + "?"; wrong.Error() != want {
			t.Errorf("%s is answered %q", name, wrong)
		}
	}
	stderr := &output{}
	variables := environmentOf(map[string]string{
		"MODELPROVIDERS_SOMETHING_ELSE": "1", "MODELPROVIDERS_DATADIR": "", // set by nobody
		"MODELPROVIDERS_PORT": "tcp://10.0.0.1:8080", "MODELPROVIDERS_SERVICE_HOST": "10.0.0.1", "MODELPROVIDERS_SERVICE_PORT": "8080",
		"MODELPROVIDERS_SERVICE_PORT_HTTP": "8080", "MODELPROVIDERS_PORT_8080_TCP": "tcp://10.0.0.1:8080", "MODELPROVIDERS_PORT_8080_TCP_ADDR": "10.0.0.1",
		"MODELPROVIDERS_URL": "http://10.0.0.1:8080", "MODELPROVIDERS_TOKEN": "mp_secret",
		"MODELPROVIDERS_ADDR": "127.0.0.1:0", // a setting of another command
	})
	if err := run(t.Context(), []string{"version"}, variables, io.Discard, stderr); err != nil {
		t.Fatal(err)
	}
	if said := stderr.String(); strings.Count(said, "\n") != 1 || !strings.Contains(said, "level=WARN") || !strings.Contains(said, "name=MODELPROVIDERS_SOMETHING_ELSE") {
		t.Errorf("the log is\n%s", said)
	}
}

// TestSecretsInFiles: a setting with a secret can be read from a file.
func TestSecretsInFiles(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		writeFile(t, path, content)
		return path
	}
	const url = "postgres://me:hunter22@127.0.0.1:1/settings"
	args := []string{"--addr", "127.0.0.1:0", "--data-dir", filepath.Join(dir, "data")}
	for name, content := range map[string]string{"no line break": url, "line break": url + "\n", "Windows": url + "\r\n"} {
		err := run(t.Context(), args, environmentOf(map[string]string{"MODELPROVIDERS_DATABASE_URL_FILE": file(name, content)}), io.Discard, io.Discard)
		if err == nil || !strings.Contains(err.Error(), "settings at 127.0.0.1") || strings.Contains(err.Error(), "hunter22") {
			t.Errorf("%s: %v", name, err)
		}
	}
	tests := map[string]struct {
		set   map[string]string // the names without the prefix
		words string
	}{
		"both":        {map[string]string{"DATABASE_URL": url, "DATABASE_URL_FILE": file("url", url)}, "--database-url (MODELPROVIDERS_DATABASE_URL): is set by MODELPROVIDERS_DATABASE_URL and by MODELPROVIDERS_DATABASE_URL_FILE"},
		"missing":     {map[string]string{"EGRESS_PROXY_FILE": filepath.Join(dir, "none")}, "--egress-proxy (MODELPROVIDERS_EGRESS_PROXY): the file in MODELPROVIDERS_EGRESS_PROXY_FILE: open " + dir},
		"a directory": {map[string]string{"DATABASE_URL_FILE": dir}, "the file in MODELPROVIDERS_DATABASE_URL_FILE: read " + dir},
		"empty":       {map[string]string{"DATABASE_URL_FILE": file("empty", "\n")}, "empty is empty"},
		"too large":   {map[string]string{"DATABASE_URL_FILE": file("large", strings.Repeat("x", 64<<10+1))}, "more than 65536 bytes"},
		"not a URL":   {map[string]string{"EGRESS_PROXY_FILE": file("proxy", "me:hunter22@proxy")}, "--egress-proxy (MODELPROVIDERS_EGRESS_PROXY): must be an http"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			variables := map[string]string{}
			for name, value := range test.set {
				variables[environmentPrefix+name] = value
			}
			wrong := wrongSettings(t, variables, args...)
			if len(wrong) != 1 || !strings.Contains(wrong[0], test.words) || strings.Contains(wrong[0], "hunter22") {
				t.Errorf("answered %v", wrong)
			}
		})
	}

	exposed := file("exposed", "http://proxy.internal:3128\n")
	for mode, warned := range map[os.FileMode]bool{0o644: true, 0o440: false} {
		chmod(t, exposed, mode)
		s := start(t, map[string]string{"MODELPROVIDERS_EGRESS_PROXY_FILE": exposed}, "--data-dir", filepath.Join(dir, "served"))
		if said := s.stderr.String(); strings.Contains(said, exposed) != warned {
			t.Errorf("mode %v is logged as\n%s", mode, said)
		}
	}
	// A flag wins, and the file isn't read.
	start(t, map[string]string{"MODELPROVIDERS_EGRESS_PROXY_FILE": filepath.Join(dir, "none")}, "--data-dir", filepath.Join(dir, "flag"), "--egress-proxy", "http://proxy.internal:3128")
}

func TestEdits(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"a", "", 1}, {"", "ab", 2}, {"ADDR", "ADDR", 0}, {"ADR", "ADDR", 1}, {"ADRD", "ADDR", 2}, {"DATADIR", "DATA_DIR", 1}, {"kitten", "sitting", 3},
	} {
		if got := edits(test.a, test.b); got != test.want {
			t.Errorf("from %q to %q: %d edits, want %d", test.a, test.b, got, test.want)
		}
	}
}
