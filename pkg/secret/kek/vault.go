package kek

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/hashicorp/vault/api"
	"github.com/tink-crypto/tink-go-hcvault/v2/integration/hcvault"
	"github.com/tink-crypto/tink-go/v2/tink"

	"modelproviders/pkg/secret"
)

func vaultTransit() service {
	return service{
		name:    "Vault",
		uri:     regexp.MustCompile(`^hcvault://((?:[\w.-]+|\[[0-9a-fA-F:]+\])(?::[0-9]+)?/(?:[\w.-]+/)+keys/[\w.-]+)$`),
		example: "hcvault://vault.example.com:8200/transit/keys/my-key",
		dial:    dialVault,
		explain: explainVault,
	}
}

// dialVault calls the host of the key, or the agent in VAULT_AGENT_ADDR or
// VAULT_PROXY_ADDR.
func dialVault(_ context.Context, key string) (secret.KEK, error) {
	host, path, _ := strings.Cut(key, "/")
	cfg := api.DefaultConfig()
	if cfg.Error != nil {
		return nil, fmt.Errorf("could not load the configuration of Vault: %w", cfg.Error)
	}
	base, ok := cfg.HttpClient.Transport.(*http.Transport)
	if !ok || base.TLSClientConfig != nil && base.TLSClientConfig.InsecureSkipVerify {
		return nil, errors.New("VAULT_SKIP_VERIFY must not be set, because the key of whoever answers would be used; set VAULT_CACERT")
	}
	cfg.Address = (&url.URL{Scheme: "https", Host: host}).String()
	cfg.Timeout = timeout
	cfg.MaxRetries = 0 // see key.call
	client, err := api.NewClient(cfg)
	if err != nil {
		return nil, err
	}
	cfg.HttpClient.Transport = guarded{base}
	aead, err := hcvault.NewAEAD("/"+path, client.Logical())
	return withoutContext{aead}, err
}

// withoutContext is a key whose library has no contexts. [key.call] does not wait for it.
type withoutContext struct{ tink.AEAD }

// EncryptWithContext implements [secret.KEK].
func (k withoutContext) EncryptWithContext(_ context.Context, plain, associated []byte) ([]byte, error) {
	return k.Encrypt(plain, associated)
}

// DecryptWithContext implements [secret.KEK].
func (k withoutContext) DecryptWithContext(_ context.Context, sealed, associated []byte) ([]byte, error) {
	return k.Decrypt(sealed, associated)
}

func explainVault(err error) (said, remedy string) {
	refused, ok := errors.AsType[*api.ResponseError](err)
	if !ok {
		return "", ""
	}
	if refused.RawError {
		return fmt.Sprintf("the answer has the status %d and is not that of the service", refused.StatusCode), "check the address"
	}
	said = fmt.Sprintf("%d: %s", refused.StatusCode, strings.Join(refused.Errors, "; "))
	switch {
	case refused.StatusCode == http.StatusForbidden:
		return said, remedyAllow + " (update on encrypt/NAME and decrypt/NAME), and check VAULT_TOKEN"
	case refused.StatusCode == http.StatusNotFound, strings.Contains(said, "key not found"):
		return said, remedyName + " and VAULT_NAMESPACE"
	case strings.Contains(said, "disallowed by policy"):
		return said, remedyState
	case refused.StatusCode == http.StatusBadRequest:
		return said, remedyOther
	}
	return said, remedyLater
}
