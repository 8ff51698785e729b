package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// refused fails the test unless a start fails with an error that contains each of the
// words.
func refused(t *testing.T, variables map[string]string, args []string, words ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	stderr := &output{}
	err := run(ctx, args, environmentOf(variables), io.Discard, stderr)
	if err == nil {
		t.Fatalf("the program served and was stopped:\n%s", stderr)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("the error does not say %q: %v", word, err)
		}
	}
	said := err.Error() + stderr.String()
	if strings.Contains(said, "hunter22") || strings.Contains(said, base64.StdEncoding.EncodeToString([]byte("hunter22"))[:10]) {
		t.Errorf("a secret is printed:\n%s", said)
	}
}

func TestRefusedSettings(t *testing.T) {
	cert, key := certificate(t)
	otherCert, _ := certificate(t)
	missing := filepath.Join(t.TempDir(), "missing.pem")
	const hooks = "https://hooks.example.com/"
	secretOf := func(n int) string {
		return base64.StdEncoding.EncodeToString([]byte(strings.Repeat("hunter22", n)[:n]))
	}
	secret := "whsec_" + secretOf(24)
	webhook := func(url, secret string) map[string]string {
		return map[string]string{"WEBHOOK_URL": url, "WEBHOOK_SECRET": secret}
	}
	tests := map[string]struct {
		set   map[string]string // the names without the prefix
		words []string
	}{
		"address without port":       {map[string]string{"ADDR": "127.0.0.1"}, []string{"MODELPROVIDERS_ADDR", "127.0.0.1"}},
		"auth off on every address":  {map[string]string{"ADDR": "0.0.0.0:0", "AUTH": "off"}, []string{"MODELPROVIDERS_AUTH", "loopback"}},
		"auth off without a host":    {map[string]string{"ADDR": ":0", "AUTH": "off"}, []string{"MODELPROVIDERS_AUTH", "loopback"}},
		"auth off on a LAN address":  {map[string]string{"ADDR": "192.168.0.7:0", "AUTH": "off"}, []string{"MODELPROVIDERS_AUTH", "loopback"}},
		"auth neither on nor off":    {map[string]string{"AUTH": "perhaps"}, []string{"auth", "perhaps"}},
		"endpoint of no type":        {map[string]string{"PROVIDER_ENDPOINTS": "nobody=https://host"}, []string{"MODELPROVIDERS_PROVIDER_ENDPOINTS", "nobody"}},
		"endpoint of custom":         {map[string]string{"PROVIDER_ENDPOINTS": "custom=https://host"}, []string{"MODELPROVIDERS_PROVIDER_ENDPOINTS", "custom"}},
		"endpoint of Azure":          {map[string]string{"PROVIDER_ENDPOINTS": "azure_openai=https://host"}, []string{"MODELPROVIDERS_PROVIDER_ENDPOINTS", "azure_openai"}},
		"endpoint without URL":       {map[string]string{"PROVIDER_ENDPOINTS": "openai"}, []string{"MODELPROVIDERS_PROVIDER_ENDPOINTS", "openai"}},
		"endpoint that is no URL":    {map[string]string{"PROVIDER_ENDPOINTS": "openai=ftp://host"}, []string{"MODELPROVIDERS_PROVIDER_ENDPOINTS", "openai"}},
		"upstream that is a URL":     {map[string]string{"ALLOW_UPSTREAMS": "https://litellm.internal"}, []string{"MODELPROVIDERS_ALLOW_UPSTREAMS", "litellm.internal"}},
		"upstream that is no CIDR":   {map[string]string{"ALLOW_UPSTREAMS": "10.0.0.0/99"}, []string{"MODELPROVIDERS_ALLOW_UPSTREAMS", "10.0.0.0/99"}},
		"proxy without scheme":       {map[string]string{"EGRESS_PROXY": "proxy.internal:3128"}, []string{"MODELPROVIDERS_EGRESS_PROXY"}},
		"webhook without secret":     {map[string]string{"WEBHOOK_URL": hooks}, []string{"MODELPROVIDERS_WEBHOOK_URL", "MODELPROVIDERS_WEBHOOK_SECRET"}},
		"webhook secret alone":       {map[string]string{"WEBHOOK_SECRET": secret}, []string{"MODELPROVIDERS_WEBHOOK_SECRET", "MODELPROVIDERS_WEBHOOK_URL"}},
		"webhook, two errors":        {map[string]string{"WEBHOOK_URL": "http://hooks.example.com/"}, []string{"2 errors", "loopback", "must be set"}},
		"webhook in clear text":      {webhook("http://hooks.example.com/", secret), []string{"MODELPROVIDERS_WEBHOOK_URL", "https", "loopback"}},
		"webhook of another scheme":  {webhook("ftp://hooks.example.com/", secret), []string{"MODELPROVIDERS_WEBHOOK_URL", "https URL"}},
		"webhook without host":       {webhook("https:///hook", secret), []string{"MODELPROVIDERS_WEBHOOK_URL", "https URL"}},
		"webhook that is no URL":     {webhook("https://hooks.example.com:port/", secret), []string{"MODELPROVIDERS_WEBHOOK_URL", "https URL"}},
		"webhook with a password":    {webhook("https://me:hunter22@hooks.example.com/", secret), []string{"MODELPROVIDERS_WEBHOOK_URL", "password"}},
		"webhook with a fragment":    {webhook(hooks+"#x", secret), []string{"MODELPROVIDERS_WEBHOOK_URL", "fragment"}},
		"webhook secret of no kind":  {webhook(hooks, "hunter22"), []string{"MODELPROVIDERS_WEBHOOK_SECRET", "whsec_", "openssl"}},
		"webhook secret not base64":  {webhook(hooks, "whsec_hunter22!"), []string{"MODELPROVIDERS_WEBHOOK_SECRET", "whsec_"}},
		"webhook secret too short":   {webhook(hooks, "whsec_"+secretOf(23)), []string{"MODELPROVIDERS_WEBHOOK_SECRET", "24 to 64"}},
		"webhook secret too long":    {webhook(hooks, "whsec_"+secretOf(65)), []string{"MODELPROVIDERS_WEBHOOK_SECRET", "24 to 64"}},
		"second webhook secret":      {webhook(hooks, secret+" hunter22"), []string{"MODELPROVIDERS_WEBHOOK_SECRET", "secret 2"}},
		"too many webhook secrets":   {webhook(hooks, strings.Repeat(secret+" ", 6)), []string{"MODELPROVIDERS_WEBHOOK_SECRET", "1 to 5"}},
		"webhook secret of spaces":   {webhook(hooks, " "), []string{"MODELPROVIDERS_WEBHOOK_SECRET", "1 to 5"}},
		"no connections":             {map[string]string{"DATABASE_CONNECTIONS": "0"}, []string{"MODELPROVIDERS_DATABASE_CONNECTIONS", "0", "from 1"}},
		"too many connections":       {map[string]string{"DATABASE_CONNECTIONS": "1001"}, []string{"MODELPROVIDERS_DATABASE_CONNECTIONS", "1001"}},
		"pooler neither on nor off":  {map[string]string{"DATABASE_POOLER": "perhaps"}, []string{"database-pooler", "perhaps"}},
		"certificate without key":    {map[string]string{"TLS_CERT": cert}, []string{"MODELPROVIDERS_TLS_CERT", "MODELPROVIDERS_TLS_KEY"}},
		"key without certificate":    {map[string]string{"TLS_KEY": key}, []string{"MODELPROVIDERS_TLS_CERT", "MODELPROVIDERS_TLS_KEY"}},
		"certificate of another key": {map[string]string{"TLS_CERT": otherCert, "TLS_KEY": key}, []string{"MODELPROVIDERS_TLS_CERT"}},
		"certificate that is absent": {map[string]string{"TLS_CERT": missing, "TLS_KEY": key}, []string{"MODELPROVIDERS_TLS_CERT", missing}},
		"base path without slash":    {map[string]string{"BASE_PATH": "api"}, []string{"MODELPROVIDERS_BASE_PATH", "api"}},
		"base path with a last one":  {map[string]string{"BASE_PATH": "/api/"}, []string{"MODELPROVIDERS_BASE_PATH", "/api/"}},
		"base path with a wildcard":  {map[string]string{"BASE_PATH": "/:tenant"}, []string{"MODELPROVIDERS_BASE_PATH", "/:tenant"}},
		"base path with dots":        {map[string]string{"BASE_PATH": "/a/../b"}, []string{"MODELPROVIDERS_BASE_PATH", "/a/../b"}},
		"base path with two slashes": {map[string]string{"BASE_PATH": "/a//b"}, []string{"MODELPROVIDERS_BASE_PATH", "/a//b"}},
		"base path with a space":     {map[string]string{"BASE_PATH": "/a b"}, []string{"MODELPROVIDERS_BASE_PATH", "/a b", "letters"}},
		"any origin":                 {map[string]string{"CORS_ORIGINS": "*"}, []string{"MODELPROVIDERS_CORS_ORIGINS", "*"}},
		"origin with a path":         {map[string]string{"CORS_ORIGINS": "https://ok.example.com,https://app.example.com/"}, []string{"MODELPROVIDERS_CORS_ORIGINS", "https://app.example.com/"}},
		"origin without scheme":      {map[string]string{"CORS_ORIGINS": "app.example.com"}, []string{"MODELPROVIDERS_CORS_ORIGINS", "app.example.com"}},
		"proxy that is no CIDR":      {map[string]string{"TRUSTED_PROXIES": "10.0.0.1"}, []string{"MODELPROVIDERS_TRUSTED_PROXIES", "10.0.0.1"}},
		"no time for a test":         {map[string]string{"TEST_TIMEOUT": "0s"}, []string{"MODELPROVIDERS_TEST_TIMEOUT"}},
		"delay that is too long":     {map[string]string{"SHUTDOWN_DELAY": "6m"}, []string{"MODELPROVIDERS_SHUTDOWN_DELAY", "6m"}},
		"negative delay":             {map[string]string{"SHUTDOWN_DELAY": "-1s"}, []string{"MODELPROVIDERS_SHUTDOWN_DELAY"}},
		"time that is none":          {map[string]string{"TEST_TIMEOUT": "soon"}, []string{"test-timeout", "soon"}},
		"checks too often":           {map[string]string{"CHECK_EVERY": "59s"}, []string{"MODELPROVIDERS_CHECK_EVERY", "1m0s"}},
		"checks that are none":       {map[string]string{"CHECK_EVERY": "on"}, []string{"check-every", "on", "off"}},
		"negative tests of checks":   {map[string]string{"CHECK_TESTS_PER_DAY": "-1"}, []string{"MODELPROVIDERS_CHECK_TESTS_PER_DAY"}},
		"negative rate":              {map[string]string{"RATE_TESTS": "-1"}, []string{"MODELPROVIDERS_RATE_TESTS"}},
		"rate that is no number":     {map[string]string{"RATE_REVEALS": "many"}, []string{"rate-reveals", "many"}},
		"database of another kind":   {map[string]string{"DATABASE_URL": "mysql://root:hunter22@db/x"}, []string{"MODELPROVIDERS_DATABASE_URL", "postgres://"}},
		"database out of reach": {map[string]string{"DATABASE_URL": "postgres://me:hunter22@127.0.0.1:1/settings"},
			[]string{"MODELPROVIDERS_DATABASE_URL", "127.0.0.1", "settings"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			variables := map[string]string{"MODELPROVIDERS_ADDR": "127.0.0.1:0", "MODELPROVIDERS_DATA_DIR": dir}
			for name, value := range test.set {
				variables[environmentPrefix+name] = value
			}
			refused(t, variables, nil, test.words...)
			for path := range contentsOf(t, dir) {
				t.Errorf("the refused start made %s", path)
			}
		})
	}
}

// A command that reads data must fail if there is none, and create nothing.
func TestCommandsWithoutADatabase(t *testing.T) {
	for _, command := range [][]string{{"audit", "verify"}, {"audit", "export"}, {"tokens", "list"}, {"tokens", "revoke", "0199d1a4-7c1e-7d3a-9a53-3f2c5a8e9b10"}} {
		dir := filepath.Join(t.TempDir(), "mistyped")
		refused(t, nil, append(command, "--data-dir", dir), "MODELPROVIDERS_DATA_DIR", dir)
		for path := range contentsOf(t, dir) {
			t.Errorf("%v made %s", command, path)
		}
	}
}

func TestErrorsHoldNoPassword(t *testing.T) {
	for _, url := range []string{
		"postgres://me:hunter22@127.0.0.1:1/settings",
		"postgres://me:hunter22@127.0.0.1:port/settings",
		"postgres://me:hunter22%zz@127.0.0.1/settings",
		"postgres://127.0.0.1:1/settings?password=hunter22",
		"mysql://me:hunter22@db/settings",
		"postgres://me:hunter22#x@127.0.0.1:1/settings",
		"postgres://me:hunter22/x@127.0.0.1:1/settings",
		"postgres://me:hunter22?x@127.0.0.1:1/settings",
		"postgres://me:hunter22@x@127.0.0.1:1/settings",
		"postgres://me:12#hunter22@127.0.0.1:1/settings",
		"postgres://me:12/hunter22@127.0.0.1:1/settings",
		"postgres://me:12?hunter22@127.0.0.1:1/settings",
		"postgres://me:12?hunter22=x@127.0.0.1:1/settings",
		"postgres://me:hunter22%@127.0.0.1:1/settings",
	} {
		stderr := &output{}
		err := run(t.Context(), []string{"--addr", "127.0.0.1:0", "--data-dir", t.TempDir(), "--database-url", url}, environmentOf(nil), io.Discard, stderr)
		if err == nil || strings.Contains(err.Error()+stderr.String(), "hunter22") {
			t.Errorf("%s: %v\n%s", url, err, stderr)
		}
	}
}

func TestUnknownFlagAndCommand(t *testing.T) {
	refused(t, nil, []string{"--no-such-flag"}, "--no-such-flag")
	refused(t, nil, []string{"launch"}, "launch")
}

func TestAddressInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	dir := filepath.Join(t.TempDir(), "data")
	refused(t, nil, []string{"--addr", taken.Addr().String(), "--data-dir", dir}, "MODELPROVIDERS_ADDR", taken.Addr().String(), "in use")
	for path := range contentsOf(t, dir) {
		t.Errorf("the refused start made %s", path)
	}
}

func TestDataDirThatIsAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data")
	writeFile(t, path, "")
	refused(t, nil, []string{"--addr", "127.0.0.1:0", "--data-dir", path}, "MODELPROVIDERS_DATA_DIR", path)
}

func TestRefusedKeyset(t *testing.T) {
	other := filepath.Join(t.TempDir(), "other")
	if err := start(t, nil, "--data-dir", other).stop(); err != nil {
		t.Fatal(err)
	}
	otherKeyset := readFile(t, filepath.Join(other, "keyset.json"))

	tests := map[string]struct {
		spoil func(t *testing.T, keyset string)
		words []string
	}{
		"missing":   {func(t *testing.T, keyset string) { removeFile(t, keyset) }, []string{"is missing", "backup"}},
		"another's": {func(t *testing.T, keyset string) { writeFile(t, keyset, otherKeyset) }, []string{"is not the one", "backup"}},
		"garbage":   {func(t *testing.T, keyset string) { writeFile(t, keyset, "not a keyset") }, []string{"backup"}},
		"empty":     {func(t *testing.T, keyset string) { writeFile(t, keyset, "") }, []string{"backup"}},
		"cut short": {func(t *testing.T, keyset string) { writeFile(t, keyset, otherKeyset[:len(otherKeyset)/2]) }, []string{"backup"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			keyset := filepath.Join(dir, "keyset.json")
			s := start(t, nil, "--data-dir", dir)
			s.signIn(t, dir)
			path := "/providers/" + s.must(t, 201, "POST", "/providers", aProvider).text("id")
			if err := s.stop(); err != nil {
				t.Fatal(err)
			}
			right := readFile(t, keyset)
			test.spoil(t, keyset)
			before := contentsOf(t, dir)

			refused(t, nil, []string{"--addr", "127.0.0.1:0", "--data-dir", dir}, append(test.words, keyset, "MODELPROVIDERS_KEYSET")...)
			unchanged(t, before, contentsOf(t, dir))

			// With the right keyset, the credential opens again.
			writeFile(t, keyset, right)
			again := start(t, nil, "--data-dir", dir)
			again.token = s.token
			if got := again.must(t, 200, "POST", path+"/credentials/api_key/reveal", "").text("value"); got != "sk-first-key" {
				t.Errorf("revealed %q", got)
			}
		})
	}
}

func TestDamagedKeysetIsNotReplacedOnAFirstStart(t *testing.T) {
	dir := t.TempDir()
	keyset := filepath.Join(dir, "keyset.json")
	writeFile(t, keyset, "not a keyset")
	refused(t, nil, []string{"--addr", "127.0.0.1:0", "--data-dir", dir}, "MODELPROVIDERS_KEYSET", keyset)
	if readFile(t, keyset) != "not a keyset" {
		t.Error("the file was replaced")
	}
}

func TestKeysetElsewhere(t *testing.T) {
	dir, keyset := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "keys.json")
	s := start(t, map[string]string{"MODELPROVIDERS_KEYSET": keyset}, "--data-dir", dir)
	s.signIn(t, dir)
	s.must(t, 201, "POST", "/providers", aProvider)
	if mode := modeOf(t, keyset); mode != 0o600 {
		t.Errorf("the keyset has the mode %v", mode)
	}
	if _, err := os.Stat(filepath.Join(dir, "keyset.json")); err == nil {
		t.Error("there is a keyset in the data directory too")
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	// Without the setting the keyset is missing, and must not be created.
	refused(t, nil, []string{"--addr", "127.0.0.1:0", "--data-dir", dir}, "MODELPROVIDERS_KEYSET", "missing")
}

func TestExposedKeysetIsWarnedOf(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	if err := start(t, nil, "--data-dir", dir).stop(); err != nil {
		t.Fatal(err)
	}
	keyset := filepath.Join(dir, "keyset.json")
	if err := os.Chmod(keyset, 0o644); err != nil {
		t.Fatal(err)
	}
	s := start(t, nil, "--data-dir", dir)
	if said := s.stderr.String(); !strings.Contains(said, "level=WARN") || !strings.Contains(said, keyset) {
		t.Errorf("no warning in:\n%s", said)
	}
}

// contentsOf returns the files under a directory, with mode and content.
func contentsOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	contents := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		contents[path] = fmt.Sprint(modeOf(t, path)) + "\n" + readFile(t, path)
		return nil
	})
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return contents
}

func unchanged(t *testing.T, before, after map[string]string) {
	t.Helper()
	for path := range after {
		if _, was := before[path]; !was {
			t.Errorf("%s was made", path)
		}
	}
	for path, content := range before {
		if after[path] != content {
			t.Errorf("%s was changed or removed", path)
		}
	}
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func removeFile(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}
