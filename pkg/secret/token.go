package secret

import (
	"encoding/base64"
	"errors"
	"strings"
)

// SealToken returns an opaque string for a client to carry, such as a page cursor.
// It opens only in the same context. It is about 60 characters longer than the
// payload in base64.
func (k *Keyset) SealToken(payload, context []byte) (string, error) {
	sealed, err := k.aead().Encrypt(payload, associated(labelToken, string(context)))
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(sealed), nil
}

// OpenToken returns the payload of a token. Its error does not say whether the token
// was altered, or made elsewhere or in another context.
func (k *Keyset) OpenToken(token string, context []byte) ([]byte, error) {
	invalid := errors.New("the token was not made here, or not for this use")
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || strings.ContainsAny(token, "\r\n") { // which the decoder ignores
		return nil, invalid
	}
	payload, err := k.aead().Decrypt(sealed, associated(labelToken, string(context)))
	if err != nil {
		return nil, invalid
	}
	return payload, nil
}
