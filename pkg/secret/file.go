package secret

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	tinkpb "github.com/tink-crypto/tink-go/v2/proto/tink_go_proto"
	"github.com/tink-crypto/tink-go/v2/tink"
	"google.golang.org/protobuf/proto"
)

// maxKeyset bounds a keyset file, in bytes. A key takes about 200 bytes.
const maxKeyset = 1 << 20

// KEK is a key encryption key, which encrypts a keyset file. It is nil for a file in
// clear text.
type KEK = tink.AEADWithContext

// kekSetting names the setting of the KEK in errors.
const kekSetting = "--keyset-kek (MODELPROVIDERS_KEYSET_KEK)"

// ErrWrapped is the error for a file that is encrypted with a KEK, if none is given.
var ErrWrapped = errors.New("is encrypted with a key of a KMS: set " + kekSetting + " to that key")

// Create creates a keyset of one key, in a file that only its owner can read. The
// file appears complete or not at all, and never replaces another: if there is one,
// the error is fs.ErrExist.
func Create(ctx context.Context, path string, kek KEK) (*Keyset, error) {
	handle, err := keyset.NewHandle(aead.XAES256GCM192BitNonceKeyTemplate())
	if err != nil {
		return nil, fmt.Errorf("could not create a key: %w", err)
	}
	content, err := encode(ctx, handle, kek)
	if err != nil {
		return nil, fmt.Errorf("could not create the keyset %s: %w", path, err)
	}
	if err := createFile(path, content); err != nil {
		return nil, err
	}
	return newKeyset(handle, false)
}

// Load reads a keyset file in Tink's JSON format. The error is fs.ErrNotExist if there
// is no such file. Then call [Create], but only if nothing was sealed with another
// keyset.
func Load(ctx context.Context, path string, kek KEK) (*Keyset, error) {
	handle, mode, err := read(ctx, path, kek)
	if err != nil {
		return nil, err
	}
	k, err := newKeyset(handle, ExposedMode(mode))
	if err != nil {
		return nil, fmt.Errorf("the keyset %s can't be used: %w; restore it from your backup", path, err)
	}
	return k, nil
}

// ExposedMode reports whether users other than its owner can access a file of that mode.
// Kubernetes mounts secrets for the group of the pod, with mode 0440, which is fine.
func ExposedMode(mode fs.FileMode) bool {
	return mode.Perm()&0o077 != 0 && mode.Perm() != 0o440
}

// read reads and decodes a keyset file.
func read(ctx context.Context, path string, kek KEK) (*keyset.Handle, fs.FileMode, error) {
	content, mode, err := readFile(path)
	if err != nil {
		return nil, 0, fmt.Errorf("could not read the keyset %s: %w", path, err)
	}
	handle, err := decode(ctx, content, kek)
	if err != nil {
		return nil, 0, fmt.Errorf("the keyset %s %w", path, err)
	}
	return handle, mode, nil
}

// decode returns the keyset in the content of a file. Its error continues a sentence
// that begins with the file.
func decode(ctx context.Context, content []byte, kek KEK) (*keyset.Handle, error) {
	var reader keyset.Reader = keyset.NewJSONReader(bytes.NewReader(content))
	encrypted, err := keyset.NewJSONReader(bytes.NewReader(content)).ReadEncrypted()
	wrapped := err == nil && len(encrypted.GetEncryptedKeyset()) > 0
	switch {
	case wrapped && kek == nil:
		return nil, ErrWrapped
	case wrapped:
		plain, err := kek.DecryptWithContext(ctx, encrypted.GetEncryptedKeyset(), nil)
		if err != nil {
			return nil, fmt.Errorf("could not be decrypted: %w", err)
		}
		defer clear(plain)
		reader = keyset.NewBinaryReader(bytes.NewReader(plain))
	}
	handle, err := insecurecleartextkeyset.Read(reader)
	switch {
	case err != nil: // it could quote a key
		return nil, errors.New("is not a Tink keyset in JSON: it is damaged, or another file; restore it from your backup, because a new keyset can't decrypt stored credentials")
	case !wrapped && kek != nil:
		return nil, errors.New("is not encrypted, although " + kekSetting + " is set: encrypt it with `modelproviders keys wrap`, or remove the setting")
	}
	return handle, nil
}

// encode returns the content of a file with a keyset, after it has decoded it again.
func encode(ctx context.Context, handle *keyset.Handle, kek KEK) ([]byte, error) {
	material := insecurecleartextkeyset.KeysetMaterial(handle)
	plain, err := proto.Marshal(material)
	defer clear(plain)
	var content bytes.Buffer
	writer := keyset.NewJSONWriter(&content)
	switch {
	case err != nil:
	case kek == nil:
		err = writer.Write(material)
	default:
		encrypted, refused := kek.EncryptWithContext(ctx, plain, nil)
		if refused != nil {
			return nil, fmt.Errorf("could not encrypt the keys: %w", refused)
		}
		err = writer.WriteEncrypted(&tinkpb.EncryptedKeyset{EncryptedKeyset: encrypted, KeysetInfo: handle.KeysetInfo()})
	}
	if err != nil {
		return nil, fmt.Errorf("could not encode the keys: %w", err)
	}
	content.WriteByte('\n')
	again, err := decode(ctx, content.Bytes(), kek)
	if err != nil {
		return nil, fmt.Errorf("a test of the new content failed: it %w", err)
	}
	if !proto.Equal(insecurecleartextkeyset.KeysetMaterial(again), material) {
		return nil, errors.New("a test of the new content failed: it has other keys")
	}
	return content.Bytes(), nil
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
