package secret_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/tink"

	"modelproviders/pkg/secret"
)

// localKEK is a KEK in memory. After decrypting, it changes the result with garble.
type localKEK struct {
	aead   tink.AEAD
	err    error
	garble func([]byte) []byte
}

func newKEK(t *testing.T) *localKEK {
	t.Helper()
	primitive, err := aead.New(newHandle(t, aead.AES256GCMKeyTemplate()))
	if err != nil {
		t.Fatal(err)
	}
	return &localKEK{aead: primitive, garble: func(plain []byte) []byte { return plain }}
}

func (k *localKEK) EncryptWithContext(_ context.Context, plain, associated []byte) ([]byte, error) {
	if k.err != nil {
		return nil, k.err
	}
	return k.aead.Encrypt(plain, associated)
}

func (k *localKEK) DecryptWithContext(_ context.Context, sealed, associated []byte) ([]byte, error) {
	if k.err != nil {
		return nil, k.err
	}
	plain, err := k.aead.Decrypt(sealed, associated)
	if err != nil {
		return nil, err
	}
	return k.garble(plain), nil
}

// material returns the bytes of the first key of a file in clear text.
func material(t *testing.T, path string) []byte {
	t.Helper()
	var file struct {
		Key []struct{ KeyData struct{ Value string } }
	}
	if err := json.Unmarshal(content(t, path), &file); err != nil || len(file.Key) == 0 {
		t.Fatalf("%v; %d keys", err, len(file.Key))
	}
	value, err := base64.StdEncoding.DecodeString(file.Key[0].KeyData.Value)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func TestWrapAndUnwrap(t *testing.T) {
	path := newFile(t, nil)
	plain := material(t, path)
	kek, another := newKEK(t), newKEK(t)
	clearKeyset, err := secret.Load(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	sealed := seal(t, clearKeyset, canary, home)

	check := func(step, path string, kek secret.KEK) {
		t.Helper()
		k, err := secret.Load(t.Context(), path, kek)
		if err != nil {
			t.Fatalf("%s: %v", step, err)
		}
		if opened, err := k.Open(sealed, home); err != nil || opened.Reveal() != canary {
			t.Errorf("%s: %v", step, err)
		}
		if kek == nil {
			return
		}
		var file struct{ EncryptedKeyset []byte }
		if err := json.Unmarshal(content(t, path), &file); err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(file.EncryptedKeyset, plain[4:]) || len(file.EncryptedKeyset) == 0 {
			t.Errorf("%s: the key is not encrypted", step)
		}
	}
	for _, step := range []struct {
		name     string
		from, to secret.KEK
	}{
		{"wrap", nil, kek},
		{"wrap with another key", kek, another},
		{"unwrap", another, nil},
	} {
		if err := secret.Rewrap(t.Context(), path, step.from, step.to, ""); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		check(step.name, path, step.to)
	}
	out := filepath.Join(t.TempDir(), "wrapped.json")
	if err := secret.Rewrap(t.Context(), path, nil, kek, out); err != nil {
		t.Fatal(err)
	}
	check("wrap to another file", out, kek)
	check("the file itself", path, nil)

	if err := secret.Edit(t.Context(), out, kek, "", add); err != nil {
		t.Fatal(err)
	}
	check("an edit of a wrapped file", out, kek)
	if got := keys(t, out, kek); len(got) != 2 {
		t.Errorf("%d keys, want 2", len(got))
	}
}

func TestCreateWrapped(t *testing.T) {
	kek := newKEK(t)
	path := newFile(t, kek)
	k, err := secret.Load(t.Context(), path, kek)
	if err != nil {
		t.Fatal(err)
	}
	if opened, err := k.Open(seal(t, k, canary, home), home); err != nil || opened.Reveal() != canary {
		t.Error(err)
	}
	kek.err = errors.New("the KMS is on fire")
	none := filepath.Join(t.TempDir(), "none.json")
	if _, err := secret.Create(t.Context(), none, kek); err == nil || !strings.Contains(err.Error(), "on fire") {
		t.Errorf("the KMS is away: error %v", err)
	}
	if names := list(t, filepath.Dir(none)); len(names) != 0 {
		t.Errorf("files %v are left behind", names)
	}
}

func TestWrongKEK(t *testing.T) {
	kek, away := newKEK(t), newKEK(t)
	away.err = errors.New("the KMS is on fire")
	for name, test := range map[string]struct {
		file, kek secret.KEK
		says      string
	}{
		"in clear text, with a KEK": {nil, kek, "modelproviders keys wrap"},
		"wrapped, without a KEK":    {kek, nil, "MODELPROVIDERS_KEYSET_KEK"},
		"another KEK":               {kek, newKEK(t), "could not be decrypted"},
		"the KMS is away":           {kek, away, "on fire"},
	} {
		path := newFile(t, test.file)
		before := content(t, path)
		_, err := secret.Load(t.Context(), path, test.kek)
		if err == nil || !strings.Contains(err.Error(), test.says) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error %v, want %q and the path", name, err, test.says)
		}
		if err := secret.Edit(t.Context(), path, test.kek, "", add); err == nil {
			t.Errorf("%s: edited", name)
		}
		if !bytes.Equal(content(t, path), before) {
			t.Errorf("%s: the file was changed", name)
		}
	}
}

func TestAWrappedFileIsTestedBeforeItReplacesAnother(t *testing.T) {
	path := newFile(t, nil)
	before, other := content(t, path), newKEK(t)
	plainOfAnother := material(t, newFile(t, nil))
	for name, test := range map[string]struct {
		spoil func(*localKEK)
		says  string
	}{
		"away":    {func(k *localKEK) { k.err = errors.New("the KMS is on fire") }, "on fire"},
		"nothing": {func(k *localKEK) { k.garble = func([]byte) []byte { return nil } }, "test of the new content failed"},
		"other keys": {func(k *localKEK) {
			k.garble = func(p []byte) []byte { return bytes.Replace(p, material(t, path)[4:], plainOfAnother[4:], 1) }
		}, "other keys"},
		"garbage": {func(k *localKEK) { k.garble = func(p []byte) []byte { return p[:len(p)/2] } }, "test of the new content failed"},
		"another": {func(k *localKEK) { k.aead = splitAEAD{k.aead, other.aead} }, "test of the new content failed"},
	} {
		kek := newKEK(t)
		test.spoil(kek)
		err := secret.Rewrap(t.Context(), path, nil, kek, "")
		if err == nil || !strings.Contains(err.Error(), test.says) || !strings.Contains(err.Error(), "not changed") {
			t.Errorf("%s: error %v, want %q", name, err, test.says)
		}
		if !bytes.Equal(content(t, path), before) {
			t.Fatalf("%s: the file was replaced", name)
		}
	}
}

// splitAEAD encrypts with another key than it decrypts with.
type splitAEAD struct{ encrypts, decrypts tink.AEAD }

func (s splitAEAD) Encrypt(plain, associated []byte) ([]byte, error) {
	return s.encrypts.Encrypt(plain, associated)
}

func (s splitAEAD) Decrypt(sealed, associated []byte) ([]byte, error) {
	return s.decrypts.Decrypt(sealed, associated)
}
