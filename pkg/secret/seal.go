package secret

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/tink-crypto/tink-go/v2/core/cryptofmt"
)

// Binding is where a credential belongs. It opens nowhere else.
type Binding struct {
	Workspace string
	Provider  string // the provider's id
	Field     string // name of the credential field
	// BaseURL is where the credential may be sent: normalised, without `/v1`;
	// empty for a type that has no base URL.
	BaseURL string
}

func (b Binding) associated() ([]byte, error) {
	if b.Workspace == "" || b.Provider == "" || b.Field == "" {
		return nil, errors.New("a credential must be bound to a workspace, a provider and a field")
	}
	return associated(labelCredential, b.Workspace, b.Provider, b.Field, b.BaseURL), nil
}

// Seal encrypts a credential with the primary key. The same plaintext gives
// another ciphertext each time.
func (k *Keyset) Seal(plain Text, b Binding) ([]byte, error) {
	data, err := b.associated()
	if err != nil {
		return nil, err
	}
	return k.aead.Encrypt(plain.Bytes(), data)
}

// Open decrypts what Seal made with the same binding, under any key of the
// keyset; the caller wipes it. The error says whether the key is missing, or the value was altered
// or moved.
func (k *Keyset) Open(sealed []byte, b Binding) (Text, error) {
	data, err := b.associated()
	if err != nil {
		return Text{}, err
	}
	plain, err := k.decrypt(sealed, data)
	if err != nil {
		return Text{}, fmt.Errorf("credential %q of provider %q in workspace %q does not open: %w", b.Field, b.Provider, b.Workspace, err)
	}
	return TextOf(plain), nil
}

// decrypt opens a ciphertext and says why it can't.
func (k *Keyset) decrypt(sealed, data []byte) ([]byte, error) {
	plain, err := k.aead.Decrypt(sealed, data)
	if err == nil {
		return plain, nil
	}
	id, err := KeyID(sealed)
	if err != nil {
		return nil, err
	}
	if !k.ids[id] {
		return nil, fmt.Errorf("it was sealed with key %d, which is not in the keyset: restore that key", id)
	}
	return nil, errors.New("it was altered, or sealed for another place")
}

// KeyID returns the id of the key that a value or a claim was sealed with. It
// doesn't tell whether the value opens.
func KeyID(sealed []byte) (uint32, error) {
	if len(sealed) < cryptofmt.NonRawPrefixSize || sealed[0] != cryptofmt.TinkStartByte {
		return 0, errors.New("it is not a sealed value")
	}
	return binary.BigEndian.Uint32(sealed[1:]), nil
}
