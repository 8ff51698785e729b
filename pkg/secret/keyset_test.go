package secret_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/mac"
	tinkpb "github.com/tink-crypto/tink-go/v2/proto/tink_go_proto"

	"modelproviders/pkg/secret"
)

func TestCreateThenLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keyset.json")
	created, err := secret.Create(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
	}
	loaded, err := secret.Load(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if loaded.Exposed() || created.Exposed() {
		t.Error("a file of mode 0600 counts as exposed")
	}
	if opened, err := loaded.Open(seal(t, created, canary, home), home); err != nil || opened.Reveal() != canary {
		t.Errorf("the loaded keyset does not open what the created one sealed: %v", err)
	}
	if names := list(t, filepath.Dir(path)); len(names) != 1 {
		t.Errorf("files %v, want the keyset alone", names)
	}
}

func TestCreateNeverReplaces(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keyset.json")
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := secret.Create(t.Context(), path, nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("error %v, want fs.ErrExist", err)
	}
	if content, _ := os.ReadFile(path); string(content) != "precious" {
		t.Errorf("the file was replaced by %d bytes", len(content))
	}
	if names := list(t, filepath.Dir(path)); len(names) != 1 {
		t.Errorf("files %v are left behind", names)
	}
	if _, err := secret.Create(t.Context(), filepath.Join(t.TempDir(), "no", "such", "dir"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in a directory that is not there: %v", err)
	}
}

func TestConcurrentCreatesAgree(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keyset.json")
	keysets := make([]*secret.Keyset, 8)
	created := make([]bool, len(keysets))
	var wg sync.WaitGroup
	for i := range keysets {
		wg.Go(func() {
			k, err := secret.Create(t.Context(), path, nil)
			created[i] = err == nil
			if errors.Is(err, fs.ErrExist) {
				k, err = secret.Load(t.Context(), path, nil)
			}
			if err != nil {
				t.Error(err)
			}
			keysets[i] = k
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	creators := 0
	sealed := seal(t, keysets[0], canary, home)
	for i, k := range keysets {
		if created[i] {
			creators++
		}
		if _, err := k.Open(sealed, home); err != nil {
			t.Errorf("keyset %d is another one: %v", i, err)
		}
	}
	if creators != 1 {
		t.Errorf("%d creators, want 1", creators)
	}
}

func TestExposed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keyset.json")
	if _, err := secret.Create(t.Context(), path, nil); err != nil {
		t.Fatal(err)
	}
	for mode, want := range map[fs.FileMode]bool{0o600: false, 0o400: false, 0o440: false, 0o640: true, 0o444: true, 0o604: true, 0o620: true} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		k, err := secret.Load(t.Context(), path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if k.Exposed() != want {
			t.Errorf("mode %v: exposed %v", mode, k.Exposed())
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	dir := t.TempDir()
	if _, err := secret.Load(t.Context(), filepath.Join(dir, "none.json"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v, want fs.ErrNotExist", err)
	}
	if _, err := secret.Load(t.Context(), dir, nil); err == nil {
		t.Error("a directory was loaded")
	}
	good := filepath.Join(dir, "good.json")
	if _, err := secret.Create(t.Context(), good, nil); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		"empty":            {},
		"not JSON":         []byte("sk-canary-0123456789"),
		"other JSON":       []byte(`{"private_key":"sk-canary-0123456789"}`),
		"no keys":          []byte(`{}`),
		"half":             whole[:len(whole)/2],
		"broken key":       bytes.Replace(whole, []byte(`"value":"`), []byte(`"value":"AAAA`), 1),
		"disabled primary": bytes.Replace(whole, []byte("ENABLED"), []byte("DISABLED"), 1),
		"MAC keys":         marshal(t, newHandle(t, mac.HMACSHA256Tag256KeyTemplate())),
		"no key ids":       marshal(t, newHandle(t, aead.AES256GCMNoPrefixKeyTemplate())),
		"huge":             bytes.Repeat([]byte(" "), 1<<20+1),
	} {
		path := filepath.Join(dir, "keyset.json")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := secret.Load(t.Context(), path, nil)
		if err == nil {
			t.Errorf("%s: loaded", name)
			continue
		}
		if errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), canary) {
			t.Errorf("%s: error %v", name, err)
		}
		if after, _ := os.ReadFile(path); !bytes.Equal(after, content) {
			t.Errorf("%s: the file was changed", name)
		}
	}
}

func TestRotation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keyset.json")
	before, err := secret.Create(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	old := seal(t, before, canary, home)
	claim, err := before.Claim()
	if err != nil {
		t.Fatal(err)
	}

	manager := keyset.NewManagerFromHandle(read(t, path))
	id, err := manager.Add(aead.AES256GCMKeyTemplate())
	if err != nil {
		t.Fatal(err)
	}
	oldID := primary(t, manager)
	if err := manager.SetPrimary(id); err != nil {
		t.Fatal(err)
	}
	after := save(t, path, manager)
	if opened, err := after.Open(old, home); err != nil || opened.Reveal() != canary {
		t.Errorf("the old value does not open after the rotation: %v", err)
	}
	if !after.Matches(claim) {
		t.Error("the claim does not match after the rotation")
	}
	fresh := seal(t, after, canary, home)
	if got := binary.BigEndian.Uint32(old[1:]); got != oldID {
		t.Errorf("the old value is sealed with key %d, want %d", got, oldID)
	}
	if got := binary.BigEndian.Uint32(fresh[1:]); got != id {
		t.Errorf("the new value is sealed with key %d, want %d", got, id)
	}

	if err := manager.Disable(oldID); err != nil {
		t.Fatal(err)
	}
	retired := save(t, path, manager)
	if _, err := retired.Open(old, home); err == nil || !strings.Contains(err.Error(), "not in the keyset") {
		t.Errorf("with the old key disabled: %v", err)
	}
	if retired.Matches(claim) {
		t.Error("the claim of a disabled key matches")
	}
	if _, err := retired.Open(fresh, home); err != nil {
		t.Error(err)
	}
}

func newHandle(t *testing.T, template *tinkpb.KeyTemplate) *keyset.Handle {
	t.Helper()
	handle, err := keyset.NewHandle(template)
	if err != nil {
		t.Fatal(err)
	}
	return handle
}

func marshal(t *testing.T, handle *keyset.Handle) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := insecurecleartextkeyset.Write(handle, keyset.NewJSONWriter(&out)); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func read(t *testing.T, path string) *keyset.Handle {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	handle, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(content)))
	if err != nil {
		t.Fatal(err)
	}
	return handle
}

func primary(t *testing.T, manager *keyset.Manager) uint32 {
	t.Helper()
	handle, err := manager.Handle()
	if err != nil {
		t.Fatal(err)
	}
	return handle.KeysetInfo().GetPrimaryKeyId()
}

func save(t *testing.T, path string, manager *keyset.Manager) *secret.Keyset {
	t.Helper()
	handle, err := manager.Handle()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, marshal(t, handle), 0o600); err != nil {
		t.Fatal(err)
	}
	k, err := secret.Load(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func list(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// TestSealUnder: any enabled key can seal, whichever is the primary key of the file.
func TestSealUnder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keyset.json")
	if _, err := secret.Create(t.Context(), path, nil); err != nil {
		t.Fatal(err)
	}
	manager := keyset.NewManagerFromHandle(read(t, path))
	first := primary(t, manager)
	second, err := manager.Add(aead.XAES256GCM192BitNonceKeyTemplate())
	if err != nil {
		t.Fatal(err)
	}
	k := save(t, path, manager)
	seals := func(want uint32) {
		t.Helper()
		sealed := seal(t, k, canary, home)
		if got, ok := secret.KeyID(sealed); !ok || got != want || k.SealingKey() != want {
			t.Errorf("sealed with the key %d, %t; SealingKey says %d, want %d", got, ok, k.SealingKey(), want)
		}
		if _, err := k.Open(sealed, home); err != nil {
			t.Error(err)
		}
	}
	seals(first)
	ids := []uint32{min(first, second), max(first, second)}
	if !slices.Equal(k.IDs(), ids) {
		t.Errorf("the ids are %v, want %v", k.IDs(), ids)
	}
	for _, id := range []uint32{second, first, second} {
		if err := k.SealUnder(id); err != nil {
			t.Fatal(err)
		}
		seals(id)
	}
	if err := k.SealUnder(first + second + 1); err == nil {
		t.Error("an unknown key seals")
	}
	seals(second)

	again, err := secret.Load(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	k.Replace(again)
	seals(second)
	if again.SealingKey() != first {
		t.Error("Replace changed the other keyset")
	}
	if err := manager.SetPrimary(first); err != nil {
		t.Fatal(err)
	}
	if err := manager.Disable(second); err != nil {
		t.Fatal(err)
	}
	disabled := save(t, path, manager)
	if err := disabled.SealUnder(second); err == nil || !slices.Equal(disabled.IDs(), []uint32{first}) {
		t.Errorf("a disabled key seals; the ids are %v", disabled.IDs())
	}
	k.Replace(disabled)
	seals(first) // nothing else is left
}

func TestSealUnderWhileSealing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keyset.json")
	if _, err := secret.Create(t.Context(), path, nil); err != nil {
		t.Fatal(err)
	}
	manager := keyset.NewManagerFromHandle(read(t, path))
	ids := []uint32{primary(t, manager)}
	for range 3 {
		id, err := manager.Add(aead.XAES256GCM192BitNonceKeyTemplate())
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	k, other := save(t, path, manager), save(t, path, manager)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 50 {
				if err := k.SealUnder(ids[i%4]); err != nil {
					t.Error(err)
				}
				k.Replace(other)
				if _, err := k.Open(seal(t, k, canary, home), home); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}
