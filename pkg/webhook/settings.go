package webhook

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"modelproviders/pkg/auth"
	"modelproviders/pkg/secret"
)

// The bounds of a secret in bytes, and how it is written; see "Signature scheme" in the
// specification.
const (
	minSecretBytes = 24
	maxSecretBytes = 64
	secretPrefix   = "whsec_"
	maxSecrets     = 5 // more than a rotation needs
)

// CheckURL checks the address of a receiver. Messages to other machines must be
// encrypted. The error does not contain the address, which may have a password.
func CheckURL(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http":
		return errors.New("must be an https URL such as https://hooks.example.com/modelproviders")
	case u.User != nil:
		return errors.New("must not contain a user name or a password; the receiver verifies the signature instead")
	case u.Fragment != "":
		return errors.New("must not have a fragment")
	case u.Scheme == "http" && !auth.LoopbackHost(u.Hostname()):
		return errors.New("must be an https URL; http is accepted for a loopback address only")
	}
	return nil
}

// CheckSecrets checks the secrets of a receiver, separated by spaces. The error does not
// contain them.
func CheckSecrets(secrets secret.Text) error {
	_, err := signers(secrets)
	return err
}

// signers returns what signs with each of the secrets.
func signers(secrets secret.Text) ([]*standardwebhooks.Webhook, error) {
	var all []*standardwebhooks.Webhook
	for i, text := range strings.Fields(secrets.Reveal()) {
		encoded, prefixed := strings.CutPrefix(text, secretPrefix)
		key, err := base64.StdEncoding.Strict().DecodeString(encoded)
		if !prefixed || err != nil || len(key) < minSecretBytes || len(key) > maxSecretBytes {
			return nil, fmt.Errorf("secret %d must be %s and the base64 of %d to %d random bytes; make one with: echo \"%s$(openssl rand -base64 32)\"",
				i+1, secretPrefix, minSecretBytes, maxSecretBytes, secretPrefix)
		}
		signer, err := standardwebhooks.NewWebhookRaw(key)
		if err != nil {
			return nil, err
		}
		all = append(all, signer)
	}
	if len(all) == 0 || len(all) > maxSecrets {
		return nil, fmt.Errorf("must be 1 to %d secrets, separated by spaces", maxSecrets)
	}
	return all, nil
}
