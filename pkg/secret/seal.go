package secret

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/tink-crypto/tink-go/v2/core/cryptofmt"
)

// Binding is where a credential belongs. The credential opens nowhere else.
type Binding struct {
	Workspace string
	Provider  string // id of the provider
	Field     string // name of the credential
	BaseURL   string // where it may be sent: normalized, without `/v1`; empty for a type without a base URL
}

func (b Binding) associated() ([]byte, error) {
	if b.Workspace == "" || b.Provider == "" || b.Field == "" {
		return nil, errors.New("a credential must be bound to a workspace, a provider and a field")
	}
	return associated(labelCredential, b.Workspace, b.Provider, b.Field, b.BaseURL), nil
}

// Seal encrypts a credential with the sealing key. Its result differs from call to
// call.
func (k *Keyset) Seal(plain Text, b Binding) ([]byte, error) {
	data, err := b.associated()
	if err != nil {
		return nil, err
	}
	return k.aead().Encrypt(plain.Bytes(), data)
}

// Open decrypts a value that was sealed with the same binding, under any key of the
// keyset. The caller must wipe the result. The error says whether the key is missing
// or the value was altered or moved.
func (k *Keyset) Open(sealed []byte, b Binding) (Text, error) {
	data, err := b.associated()
	if err != nil {
		return Text{}, err
	}
	plain, err := k.aead().Decrypt(sealed, data)
	if err != nil {
		return Text{}, fmt.Errorf("could not decrypt credential %q of provider %q in workspace %q: %w", b.Field, b.Provider, b.Workspace, k.cause(sealed))
	}
	return textOf(plain), nil
}

// cause explains why a value does not open. Tink's own error does not.
func (k *Keyset) cause(sealed []byte) error {
	id, ok := KeyID(sealed)
	switch {
	case !ok:
		return errors.New("it is not a ciphertext")
	case !slices.Contains(k.IDs(), id):
		return fmt.Errorf("it was encrypted with key %d, which is not in the keyset; restore that key", id)
	}
	return errors.New("it was changed, or it belongs to another credential or address")
}

// KeyID returns the id of the key with which a value was sealed. It reports false for
// what is not a sealed value.
func KeyID(sealed []byte) (id uint32, ok bool) {
	if len(sealed) < cryptofmt.NonRawPrefixSize || sealed[0] != cryptofmt.TinkStartByte {
		return 0, false
	}
	return binary.BigEndian.Uint32(sealed[1:]), true
}

// claimed is the plaintext of a claim. It is not secret; that it opens is the proof.
const claimed = "this database belongs to this keyset"

// Claim returns a value that proves which keyset a database belongs to. It is not
// secret, and differs from call to call.
func (k *Keyset) Claim() ([]byte, error) {
	return k.aead().Encrypt([]byte(claimed), associated(labelClaim))
}

// Matches reports whether the claim was made by a key of this keyset.
func (k *Keyset) Matches(claim []byte) bool {
	plain, err := k.aead().Decrypt(claim, associated(labelClaim))
	return err == nil && string(plain) == claimed
}
