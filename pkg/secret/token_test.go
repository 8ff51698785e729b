package secret_test

import (
	"bytes"
	"regexp"
	"testing"
)

func TestTokenOpensInItsContext(t *testing.T) {
	k := create(t)
	for _, payload := range [][]byte{{}, []byte(`{"n":"a","i":"1"}`), bytes.Repeat([]byte{0xff}, 500)} {
		token, err := k.SealToken(payload, []byte("providers?sort=name"))
		if err != nil {
			t.Fatal(err)
		}
		if !regexp.MustCompile(`^[A-Za-z0-9_-]+$`).MatchString(token) {
			t.Errorf("%q does not fit in a URL as it is", token)
		}
		got, err := k.OpenToken(token, []byte("providers?sort=name"))
		if err != nil || !bytes.Equal(got, payload) {
			t.Errorf("opened %q, %v", got, err)
		}
	}
}

func TestTokenDoesNotOpenOtherwise(t *testing.T) {
	k, other := create(t), create(t)
	context := []byte("providers?sort=name")
	token, err := k.SealToken([]byte("position"), context)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.OpenToken(token, []byte("providers?sort=-name")); err == nil {
		t.Error("opens in another context")
	}
	if _, err := other.OpenToken(token, context); err == nil {
		t.Error("opens with another keyset")
	}
	for i := range token {
		for _, c := range []byte{'A', 'B', token[i] ^ 1, '+', '\n'} {
			altered := token[:i] + string(c) + token[i+1:]
			if _, err := k.OpenToken(altered, context); err == nil && altered != token {
				t.Errorf("opens as %q", altered)
			}
		}
	}
	for _, forged := range []string{"", "x", token[:len(token)-1], token + "A", token + "=", token + "\n", " " + token, "bGltaXQ"} {
		if _, err := k.OpenToken(forged, context); err == nil {
			t.Errorf("opens as %q", forged)
		}
	}
}

func FuzzOpenToken(f *testing.F) {
	k := create(f)
	token, err := k.SealToken([]byte("position"), []byte("context"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(token)
	f.Add(token[:30])
	f.Add("AQ")
	f.Fuzz(func(t *testing.T, s string) {
		if payload, err := k.OpenToken(s, []byte("context")); (err == nil) != (s == token) {
			t.Fatalf("%q: opened %q, %v", s, payload, err)
		}
	})
}
