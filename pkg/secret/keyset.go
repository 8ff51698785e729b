package secret

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	tinkpb "github.com/tink-crypto/tink-go/v2/proto/tink_go_proto"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// maxKeyset bounds a keyset file, in bytes. A key takes about 200 bytes.
const maxKeyset = 1 << 20

// Keyset holds the keys that seal and open. It is safe for concurrent use.
type Keyset struct{ current atomic.Pointer[keys] }

// keys are the keys of one keyset file.
type keys struct {
	aead    tink.AEAD
	ids     map[uint32]bool // of the enabled keys
	primary uint32
	exposed bool
}

// Replace makes a keyset use the keys of another one, such as a newer version of its
// file.
func (k *Keyset) Replace(by *Keyset) { k.current.Store(by.current.Load()) }

func (k *Keyset) aead() tink.AEAD { return k.current.Load().aead }

// Create creates a keyset of one key, in a file that only its owner can read. The
// file appears complete or not at all, and never replaces another: if there is one,
// the error is fs.ErrExist.
func Create(path string) (*Keyset, error) {
	handle, err := keyset.NewHandle(aead.XAES256GCM192BitNonceKeyTemplate())
	if err != nil {
		return nil, fmt.Errorf("could not create a key: %w", err)
	}
	var content bytes.Buffer
	if err := insecurecleartextkeyset.Write(handle, keyset.NewJSONWriter(&content)); err != nil {
		return nil, fmt.Errorf("could not write the keyset: %w", err)
	}
	content.WriteByte('\n')
	if err := createFile(path, content.Bytes()); err != nil {
		return nil, fmt.Errorf("could not create the keyset %s: %w", path, err)
	}
	return newKeyset(handle)
}

// Load reads a keyset file in Tink's JSON format. The error is fs.ErrNotExist if there
// is no such file. Then call [Create], but only if nothing was sealed with another
// keyset.
func Load(path string) (*Keyset, error) {
	content, mode, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("could not read the keyset %s: %w", path, err)
	}
	// The parser's error could quote a key.
	handle, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(content)))
	if err != nil {
		return nil, fmt.Errorf("%s is not a Tink keyset in JSON: it is damaged, or another file; restore it from your backup, because a new keyset can't decrypt stored credentials", path)
	}
	k, err := newKeyset(handle)
	if err != nil {
		return nil, fmt.Errorf("the keyset %s can't be used: %w; restore it from your backup", path, err)
	}
	k.current.Load().exposed = ExposedMode(mode)
	return k, nil
}

// ExposedMode reports whether users other than its owner can access a file of that mode.
// Kubernetes mounts secrets for the group of the pod, with mode 0440, which is fine.
func ExposedMode(mode fs.FileMode) bool {
	return mode.Perm()&0o077 != 0 && mode.Perm() != 0o440
}

// Exposed reports whether users other than its owner can access the file.
func (k *Keyset) Exposed() bool { return k.current.Load().exposed }

// Keys returns the id of the key that seals, and the number of keys that open.
func (k *Keyset) Keys() (primary uint32, enabled int) {
	current := k.current.Load()
	for _, is := range current.ids {
		if is {
			enabled++
		}
	}
	return current.primary, enabled
}

func newKeyset(handle *keyset.Handle) (*Keyset, error) {
	info := handle.KeysetInfo()
	k := &keys{ids: map[uint32]bool{}, primary: info.GetPrimaryKeyId()}
	for _, key := range info.GetKeyInfo() {
		k.ids[key.GetKeyId()] = key.GetStatus() == tinkpb.KeyStatusType_ENABLED
		if key.GetKeyId() == info.GetPrimaryKeyId() && key.GetOutputPrefixType() != tinkpb.OutputPrefixType_TINK {
			return nil, errors.New("its primary key does not have the output prefix type TINK, so ciphertexts would not contain its id")
		}
	}
	var err error
	if k.aead, err = aead.New(handle); err != nil {
		return nil, errors.New("it has no key for authenticated encryption (AEAD)")
	}
	out := &Keyset{}
	out.current.Store(k)
	return out, nil
}

func readFile(path string) ([]byte, fs.FileMode, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	content, err := io.ReadAll(io.LimitReader(f, maxKeyset+1))
	if err == nil && len(content) > maxKeyset {
		err = errors.New("the file is too large to be a keyset")
	}
	return content, info.Mode(), err
}

// createFile creates a file that is complete even after a crash: it is written under
// another name, flushed to disk, and linked to its name. Linking fails if the name is
// taken; renaming would not.
func createFile(path string, content []byte) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

// syncDir flushes a directory, so that new names in it survive a crash.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
