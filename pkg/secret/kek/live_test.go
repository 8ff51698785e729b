//go:build live

package kek_test

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"modelproviders/pkg/secret"
	"modelproviders/pkg/secret/kek"
)

// TestLive uses the key in MODELPROVIDERS_LIVE_KEK with the identity of this process.
func TestLive(t *testing.T) {
	uri := os.Getenv("MODELPROVIDERS_LIVE_KEK")
	if uri == "" {
		t.Skip("set MODELPROVIDERS_LIVE_KEK to the URI of a key")
	}
	wrapAndUnwrap(t, uri)
}

func wrapAndUnwrap(t *testing.T, uri string) {
	t.Helper()
	key, err := kek.Open(uri)
	if err != nil {
		t.Fatal(err)
	}
	path := clearFile(t)
	before := read(t, path)
	if err := secret.Rewrap(t.Context(), path, nil, key, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := secret.Load(t.Context(), path, key); err != nil {
		t.Fatal(err)
	}
	if err := secret.Rewrap(t.Context(), path, key, nil, ""); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(read(t, path), before) {
		t.Error("the keyset is another one after it was wrapped and unwrapped")
	}
}

// refused checks the refusal of a key that the process may not use.
func refused(t *testing.T, uri string, words ...string) {
	t.Helper()
	key, err := kek.Open(uri)
	if err != nil {
		t.Fatal(err)
	}
	err = secret.Rewrap(t.Context(), clearFile(t), nil, key, "")
	checkRefusal(t, "live", err, words...)
}

// TestLocalKMS uses Local KMS, which has the API of AWS KMS. It builds it.
func TestLocalKMS(t *testing.T) {
	dir := t.TempDir()
	program, seed := filepath.Join(dir, "local-kms"), filepath.Join(dir, "seed.yaml")
	build := exec.CommandContext(t.Context(), "go", "build", "-modfile=../../../.ci/local-kms.mod", "-o", program, "github.com/nsmithuk/local-kms")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	const id = "bc436485-5092-42b8-92a3-0aa8b93536dc"
	if err := os.WriteFile(seed, []byte(`Keys:
  Symmetric:
    Aes:
      - Metadata:
          KeyId: `+id+`
        BackingKeys:
          - 5cdaead27fe7da2de47945d73cd6d79e36494e73802f3cd3869f1d2cb0b5d7a9
`), 0o600); err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(freeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	serve(t, "127.0.0.1:"+port, []string{"PORT=" + port, "KMS_REGION=eu-west-1", "KMS_DATA_PATH=" + dir, "KMS_SEED_PATH=" + seed}, program)
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL_KMS": "http://127.0.0.1:" + port, "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "example",
	} {
		t.Setenv(name, value)
	}
	wrapAndUnwrap(t, "aws-kms://arn:aws:kms:eu-west-1:111122223333:key/"+id)
	refused(t, "aws-kms://arn:aws:kms:eu-west-1:111122223333:key/"+strings.Replace(id, "b", "c", 1), "NotFoundException", "check the name of the key")
}

// TestVault uses a development server of Vault or OpenBao, which must be on the PATH, or
// the program in MODELPROVIDERS_LIVE_VAULT.
func TestVault(t *testing.T) {
	program := os.Getenv("MODELPROVIDERS_LIVE_VAULT")
	for _, name := range []string{"bao", "vault"} {
		if found, err := exec.LookPath(name); err == nil && program == "" {
			program = found
		}
	}
	if program == "" {
		t.Skip("there is neither vault nor bao")
	}
	dir, address := t.TempDir(), freeAddress(t)
	serve(t, address, []string{"HOME=" + dir}, program, "server", "-dev", "-dev-tls", "-dev-tls-cert-dir="+dir,
		"-dev-root-token-id=root", "-dev-no-store-token", "-dev-listen-address="+address)
	t.Setenv("VAULT_CACERT", filepath.Join(dir, "vault-ca.pem"))
	if _, err := os.Stat(os.Getenv("VAULT_CACERT")); err != nil {
		t.Setenv("VAULT_CACERT", filepath.Join(dir, "bao-ca.pem"))
	}
	t.Setenv("VAULT_TOKEN", "root")
	vault := func(args ...string) string {
		t.Helper()
		command := exec.CommandContext(t.Context(), program, args...)
		command.Env = append(os.Environ(), "VAULT_ADDR=https://"+address, "HOME="+dir)
		out, err := command.Output()
		if err != nil {
			t.Fatalf("%s: %v", args, err)
		}
		return strings.TrimSpace(string(out))
	}
	vault("secrets", "enable", "transit")
	vault("write", "-f", "transit/keys/models")
	uri := "hcvault://" + address + "/transit/keys/models"
	wrapAndUnwrap(t, uri)

	t.Setenv("VAULT_TOKEN", vault("token", "create", "-policy=default", "-field=token"))
	refused(t, uri, "403", "permission denied", "let this process encrypt and decrypt")
	t.Setenv("VAULT_TOKEN", "root")
	refused(t, "hcvault://"+address+"/other/keys/models", "404", "check the name of the key")
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// serve starts a program and waits until it listens on an address.
func serve(t *testing.T, address string, environ []string, program string, args ...string) {
	t.Helper()
	var out bytes.Buffer
	command := exec.CommandContext(t.Context(), program, args...)
	command.Env, command.Stdout, command.Stderr = append(os.Environ(), environ...), &out, &out
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = command.Wait() }) // the end of the context kills it
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if connection, err := net.Dial("tcp", address); err == nil {
			_ = connection.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not listen on %s:\n%s", program, address, &out)
		}
	}
}
