package secret

import (
	"encoding/base64"
	"errors"
	"strings"
)

// SealToken makes an opaque string that a client carries for us, such as a page
// cursor. It opens only in the same context; a context that is made of several
// parts must keep them apart. The token is about 60 characters longer than the
// payload is in base64.
func (k *Keyset) SealToken(payload, context []byte) (string, error) {
	sealed, err := k.aead.Encrypt(payload, associated(labelToken, string(context)))
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(sealed), nil
}

// OpenToken returns the payload of a token. The error is the same whether the
// token was altered, made up, made in another context or by another keyset.
func (k *Keyset) OpenToken(token string, context []byte) ([]byte, error) {
	sealed, err := decodeToken(token)
	if err == nil {
		var payload []byte
		if payload, err = k.aead.Decrypt(sealed, associated(labelToken, string(context))); err == nil {
			return payload, nil
		}
	}
	return nil, errors.New("the token was not made here, or not for this use")
}

// decodeToken takes only the one spelling that SealToken makes: encoding/base64
// passes over line breaks, and over bits left in the last character.
func decodeToken(token string) ([]byte, error) {
	if strings.ContainsAny(token, "\r\n") {
		return nil, errors.New("line break in a token")
	}
	return base64.RawURLEncoding.Strict().DecodeString(token)
}
