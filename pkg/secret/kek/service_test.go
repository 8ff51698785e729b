package kek_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"modelproviders/pkg/secret"
	"modelproviders/pkg/secret/kek"
	"modelproviders/pkg/secret/kek/kektest"
)

// overEachKMS runs a test with each KMS, of which this process may use the key.
func overEachKMS(t *testing.T, test func(*testing.T, *kektest.Server, secret.KEK)) {
	t.Helper()
	for _, fake := range kektest.Fakes() {
		t.Run(fake.Name, func(t *testing.T) {
			server := kektest.Start(t, fake)
			server.Setenv(t)
			key, err := kek.Open(server.URI)
			if err != nil {
				t.Fatal(err)
			}
			test(t, server, key)
		})
	}
}

// clearFile creates a keyset in clear text.
func clearFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keyset.json")
	if _, err := secret.Create(t.Context(), path, nil); err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// keyOf returns the key of a keyset in clear text.
func keyOf(t *testing.T, path string) []byte {
	t.Helper()
	var file struct {
		Key []struct{ KeyData struct{ Value []byte } }
	}
	if err := json.Unmarshal(read(t, path), &file); err != nil {
		t.Fatal(err)
	}
	value := file.Key[0].KeyData.Value
	return value[len(value)-32:]
}

func TestEveryKMSWrapsAndUnwraps(t *testing.T) {
	overEachKMS(t, func(t *testing.T, server *kektest.Server, key secret.KEK) {
		path := clearFile(t)
		before, material := read(t, path), keyOf(t, path)
		binding := secret.Binding{Workspace: "default", Provider: "p", Field: "api_key"}
		keyset, err := secret.Load(t.Context(), path, nil)
		if err != nil {
			t.Fatal(err)
		}
		sealed, err := keyset.Seal(secret.NewText("sk-canary"), binding)
		if err != nil {
			t.Fatal(err)
		}
		if err := secret.Rewrap(t.Context(), path, nil, key, ""); err != nil {
			t.Fatal(err)
		}
		var wrapped struct{ EncryptedKeyset []byte }
		if err := json.Unmarshal(read(t, path), &wrapped); err != nil || bytes.Contains(wrapped.EncryptedKeyset, material) {
			t.Errorf("the key is not encrypted; %v", err)
		}
		calls := server.Calls()
		if keyset, err = secret.Load(t.Context(), path, key); err != nil {
			t.Fatal(err)
		}
		if n := server.Calls() - calls; n != 1 {
			t.Errorf("%d calls for a load, want 1", n)
		}
		if opened, err := keyset.Open(sealed, binding); err != nil || opened.Reveal() != "sk-canary" {
			t.Error(err)
		}
		if err := secret.Rewrap(t.Context(), path, key, nil, ""); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(read(t, path), before) {
			t.Error("the keyset is another one after it was wrapped and unwrapped")
		}
	})
}

func TestRefusals(t *testing.T) {
	if testing.Short() {
		t.Skip("waits between calls that are tried again")
	}
	remedies := map[kektest.Mode]string{
		kektest.Denied:    "let this process encrypt and decrypt with the key",
		kektest.Missing:   "check the name of the key",
		kektest.Disabled:  "enable or restore the key",
		kektest.Throttled: "try again later",
		kektest.Broken:    "try again later",
		kektest.Garbage:   "check the address",
		kektest.Endless:   "check the address",
	}
	overEachKMS(t, func(t *testing.T, server *kektest.Server, key secret.KEK) {
		path, plain := filepath.Join(t.TempDir(), "wrapped.json"), clearFile(t)
		if err := secret.Rewrap(t.Context(), plain, nil, key, path); err != nil {
			t.Fatal(err)
		}
		before := read(t, plain)
		for mode, remedy := range remedies {
			server.Use(mode)
			calls := server.Calls()
			_, err := secret.Load(t.Context(), path, key)
			checkRefusal(t, mode, err, path, remedy)
			if n := server.Calls() - calls; n > 3 {
				t.Errorf("%s: %d calls", mode, n)
			}
		}
		server.Use(kektest.Denied)
		err := secret.Rewrap(t.Context(), plain, nil, key, "")
		checkRefusal(t, kektest.Denied, err, plain, remedies[kektest.Denied])
		if !bytes.Equal(read(t, plain), before) {
			t.Error("the keyset was changed")
		}
		server.Stop()
		_, err = secret.Load(t.Context(), path, key)
		checkRefusal(t, "away", err, path, "check the address, the network and the credentials")
	})
}

func checkRefusal(t *testing.T, mode kektest.Mode, err error, texts ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: no error", mode)
		return
	}
	t.Logf("%s: %v", mode, err)
	for _, text := range append(texts, "(key ") {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%s: the error lacks %q: %v", mode, text, err)
		}
	}
	if strings.ContainsAny(err.Error(), "\n\t") || len(err.Error()) > 1000 {
		t.Errorf("%s: %d bytes, or several lines: %q", mode, len(err.Error()), err)
	}
}

// A KMS that answered once may be another server the next time.
func TestATemporaryRefusalIsTriedAgain(t *testing.T) {
	overEachKMS(t, func(t *testing.T, server *kektest.Server, key secret.KEK) {
		server.Use(kektest.Broken)
		go func() {
			for server.Calls() == 0 {
				time.Sleep(time.Millisecond)
			}
			server.Use(kektest.Success)
		}()
		if _, err := secret.Create(t.Context(), filepath.Join(t.TempDir(), "keyset.json"), key); err != nil {
			t.Error(err)
		}
	})
}

func TestTheWrongKey(t *testing.T) {
	overEachKMS(t, func(t *testing.T, _ *kektest.Server, key secret.KEK) {
		path := filepath.Join(t.TempDir(), "keyset.json")
		if _, err := secret.Create(t.Context(), path, key); err != nil {
			t.Fatal(err)
		}
		var file map[string]any
		if err := json.Unmarshal(read(t, path), &file); err != nil {
			t.Fatal(err)
		}
		file["encryptedKeyset"] = base64.StdEncoding.EncodeToString([]byte("vault:v1:" + strings.Repeat("A", 400)))
		content, err := json.Marshal(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err = secret.Load(t.Context(), path, key)
		checkRefusal(t, kektest.Success, err, "use the key with which the keyset was encrypted", "restore the keyset from your backup")
	})
}

func TestNoErrorQuotesAKey(t *testing.T) {
	overEachKMS(t, func(t *testing.T, server *kektest.Server, key secret.KEK) {
		path := clearFile(t)
		material := keyOf(t, path)
		server.Use(kektest.Echo)
		err := secret.Rewrap(t.Context(), path, nil, key, "")
		if err == nil {
			t.Fatal("no error")
		}
		for shift := range 3 { // the key is somewhere in the plaintext
			encoded := base64.RawStdEncoding.EncodeToString(material[shift : shift+12])
			if strings.Contains(err.Error(), encoded) {
				t.Errorf("the error quotes the key: %v", err)
			}
		}
		if !strings.Contains(err.Error(), "quotes the request") {
			t.Errorf("error %v", err)
		}
	})
}

func TestASilentKMS(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for 10 seconds")
	}
	var wg sync.WaitGroup
	for _, fake := range kektest.Fakes() {
		server := kektest.Start(t, fake)
		server.Setenv(t)
		server.Use(kektest.Silent)
		key, err := kek.Open(server.URI)
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			began := time.Now()
			_, err := key.DecryptWithContext(t.Context(), []byte("vault:v1:AAAA"), nil)
			if took := time.Since(began); took > 15*time.Second {
				t.Errorf("%s: it took %v", fake.Name, took)
			}
			checkRefusal(t, kektest.Silent, err, "no answer within 10s")
		})
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			began := time.Now()
			_, err := key.DecryptWithContext(ctx, []byte("vault:v1:AAAA"), nil)
			if took := time.Since(began); err == nil || took > 5*time.Second {
				t.Errorf("%s: after the end of its context, %v: %v", fake.Name, took, err)
			}
		})
	}
	wg.Wait()
}

// AWS KMS encrypts at most 4,096 bytes.
func TestTooManyKeysForAWS(t *testing.T) {
	fake := kektest.Fakes()[0]
	server := kektest.Start(t, fake)
	server.Setenv(t)
	key, err := kek.Open(server.URI)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "keyset.json")
	if _, err := secret.Create(t.Context(), path, key); err != nil {
		t.Fatal(err)
	}
	add := func(n int) error {
		return secret.Edit(t.Context(), path, key, "", func(f *secret.File) error {
			var errs []error
			for range n {
				_, err := f.Add()
				errs = append(errs, err)
			}
			return errors.Join(errs...)
		})
	}
	if err := add(29); err != nil {
		t.Errorf("30 keys: %v", err)
	}
	before := read(t, path)
	if err := add(20); err == nil || !strings.Contains(err.Error(), "destroy keys") {
		t.Errorf("50 keys: error %v", err)
	}
	if !bytes.Equal(read(t, path), before) {
		t.Error("the file was changed")
	}
}

func TestNothingIsSentInClearText(t *testing.T) {
	overEachKMS(t, func(t *testing.T, _ *kektest.Server, key secret.KEK) {
		for _, name := range []string{"AWS_ENDPOINT_URL_KMS", "VAULT_AGENT_ADDR", "CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDKMS"} {
			t.Setenv(name, "http://192.0.2.1:8200")
		}
		_, err := key.EncryptWithContext(t.Context(), []byte("plain"), nil)
		if err == nil || !strings.Contains(err.Error(), "https") {
			t.Errorf("error %v, want one that demands https", err)
		}
	})
}

func TestVaultCertificatesAreVerified(t *testing.T) {
	server := kektest.Start(t, kektest.Fakes()[2])
	server.Setenv(t)
	key, err := kek.Open(server.URI)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("VAULT_SKIP_VERIFY", "true")
	if _, err := key.EncryptWithContext(t.Context(), []byte("plain"), nil); err == nil || !strings.Contains(err.Error(), "VAULT_SKIP_VERIFY") {
		t.Errorf("error %v", err)
	}
	t.Setenv("VAULT_SKIP_VERIFY", "")
	t.Setenv("VAULT_CACERT", "")
	if _, err := key.EncryptWithContext(t.Context(), []byte("plain"), nil); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("error %v", err)
	}
	if server.Calls() != 0 {
		t.Error("Vault was called")
	}
}
