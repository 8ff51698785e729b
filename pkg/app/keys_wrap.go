package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"modelproviders/pkg/secret"
	"modelproviders/pkg/secret/kek"
)

// WrappedKeyset is the result of [WrapKeyset] or [UnwrapKeyset].
type WrappedKeyset struct {
	File string `json:"file"`
	KEK  string `json:"kek"` // empty: the keyset is not encrypted
}

// CheckWrap is [Config.Check] for [WrapKeyset] and [UnwrapKeyset].
func (c Config) CheckWrap(from string) SettingErrors {
	wrong := c.CheckData()
	if c.KeysetKEK == "" {
		wrong.Add("keyset-kek", errors.New("must be the URI of a key of a KMS"))
	}
	if from != "" {
		_, err := kek.Open(from)
		wrong.Add("from-kek", err)
	}
	return wrong
}

// WrapKeyset encrypts the keyset with the key of a KMS in the settings. from is the URI
// of the key that encrypts it now; empty: it is not encrypted. With out it leaves the
// keyset as it is and writes another file.
func WrapKeyset(ctx context.Context, cfg Config, from, out string) (WrappedKeyset, error) {
	if wrong := cfg.CheckWrap(from); len(wrong) > 0 {
		return WrappedKeyset{}, wrong
	}
	path := cfg.withDefaults().keysetPath()
	err := secret.Rewrap(ctx, path, Config{KeysetKEK: from}.kek(), cfg.kek(), out)
	if errors.Is(err, secret.ErrWrapped) {
		err = fmt.Errorf("the keyset %s is encrypted already; to encrypt it with another key, name the present one with --from-kek", path)
	}
	return WrappedKeyset{File: cmp.Or(out, path), KEK: cfg.KeysetKEK}, err
}

// UnwrapKeyset decrypts the keyset. For out see [WrapKeyset].
func UnwrapKeyset(ctx context.Context, cfg Config, out string) (WrappedKeyset, error) {
	if wrong := cfg.CheckWrap(""); len(wrong) > 0 {
		return WrappedKeyset{}, wrong
	}
	path := cfg.withDefaults().keysetPath()
	return WrappedKeyset{File: cmp.Or(out, path)}, secret.Rewrap(ctx, path, cfg.kek(), nil, out)
}
