package app_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"html"
	"net/url"
	"os"
	"strings"
	"testing"

	"modelproviders/api/apitest"
	"modelproviders/pkg/provider/providertest"
)

// secrets are the secrets that must not leave the service, with names for messages.
type secrets struct {
	names map[string]string
	// parts are the secrets of which no part may leave.
	parts map[string]bool
}

func newSecrets() *secrets { return &secrets{names: map[string]string{}, parts: map[string]bool{}} }

// add adds a secret of which no part may leave, and returns it.
func (s *secrets) add(name, value string) string {
	s.parts[value] = true
	return s.addWhole(name, value)
}

// addWhole adds a secret that shares parts with public values.
func (s *secrets) addWhole(name, value string) string {
	if len(value) >= minSecret {
		s.names[value] = name
	}
	return value
}

// addCredentials adds the credentials of a provider. Of a JSON file it adds the secret
// members.
func (s *secrets) addCredentials(t *testing.T, typeName string, credentials map[string]any) {
	t.Helper()
	for field, value := range apitest.Flat(credentials) {
		text, ok := value.(string)
		if !ok {
			t.Fatalf("%s: %s is a %T", typeName, field, value)
		}
		if strings.Contains(field, ".") && len(text) < 16 {
			continue // a short header is not removed
		}
		var file map[string]string
		if json.Unmarshal([]byte(text), &file) != nil {
			s.addWhole(typeName+" "+field, text)
			continue
		}
		s.addWhole(typeName+" private_key_id", file["private_key_id"])
		for line := range strings.Lines(file["private_key"]) {
			if !strings.HasPrefix(line, "-----") {
				s.add(typeName+" private_key", strings.TrimSpace(line))
			}
		}
	}
}

// addSent adds the access tokens and signatures of requests to an upstream.
func (s *secrets) addSent(requests []providertest.Request) {
	for _, r := range requests {
		for _, name := range []string{"Authorization", "X-Api-Key", "Api-Key", "X-Amz-Security-Token"} {
			value := r.Header.Get(name)
			if _, signature, found := strings.Cut(value, "Signature="); found {
				value = signature
			}
			s.addWhole("sent "+name, strings.TrimPrefix(value, "Bearer "))
		}
	}
}

// addKeyset adds the keys of a keyset file.
func (s *secrets) addKeyset(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Key []struct {
			KeyData struct{ Value string }
		}
	}
	if err := json.Unmarshal(text, &file); err != nil || len(file.Key) == 0 {
		t.Fatalf("%s holds no keys: %v", path, err)
	}
	for _, key := range file.Key {
		material, err := base64.StdEncoding.DecodeString(key.KeyData.Value)
		if err != nil {
			t.Fatal(err)
		}
		s.add("key of the keyset", string(material))
	}
}

// searcher has the forms in which secrets may appear, with the names of the secrets.
type searcher map[string]string

// minSecret is the least length of a secret in characters.
const minSecret = 6

// part is the length of the parts of a secret that are searched for, so that truncated
// secrets are found.
const part = 14

// whole searches for whole secrets.
func (s *secrets) whole() searcher {
	search := searcher{}
	for value, name := range s.names {
		for _, form := range formsOf(value) {
			search[form] = name
		}
	}
	return search
}

// inParts searches for whole secrets and for parts.
func (s *secrets) inParts() searcher {
	search := s.whole()
	for value := range s.parts {
		for i := 0; i+part <= len(value); i += part / 2 {
			for _, form := range formsOf(value[i : i+part]) {
				search[form] = s.names[value]
			}
		}
	}
	return search
}

// formsOf returns the encodings in which a text may appear. Its base64 depends on what
// precedes it, so all three alignments are included, without their ends.
func formsOf(text string) []string {
	quoted, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	forms := []string{
		text, url.QueryEscape(text), url.PathEscape(text), strings.Trim(string(quoted), `"`), html.EscapeString(text),
		hex.EncodeToString([]byte(text)),
	}
	for skip := range 3 {
		rest := text[skip:]
		whole := rest[:len(rest)/3*3]
		if len(whole) >= minSecret {
			forms = append(forms, base64.StdEncoding.EncodeToString([]byte(whole)), base64.URLEncoding.EncodeToString([]byte(whole)))
		}
	}
	return forms
}

// in fails the test for every secret in the text.
func (s searcher) in(t *testing.T, where string, text []byte) {
	t.Helper()
	told := map[string]bool{}
	for form, name := range s {
		at := bytes.Index(text, []byte(form))
		if at < 0 || told[name] {
			continue
		}
		told[name] = true
		t.Errorf("%s holds the %s, as %q: …%q…", where, name, form, text[max(0, at-60):min(len(text), at+len(form)+60)])
	}
}

// TestSearcherFindsSecrets proves that a search without results means something.
func TestSearcherFindsSecrets(t *testing.T) {
	s := newSecrets()
	secret := s.add("key", `sk-5tored/Vx+9=Qm"Zk\7&<wJ>`)
	search := s.inParts()
	finds := func(text string) bool {
		for form := range search {
			if strings.Contains(text, form) {
				return true
			}
		}
		return false
	}
	for _, form := range append(providertest.Disguises(secret), "it begins with "+secret[:len(secret)-4], hex.EncodeToString([]byte(secret))) {
		if !strings.HasPrefix(form, "%") && !finds("before "+form+" after") {
			t.Errorf("not found: %s", form)
		}
	}
	if finds("sk-another/Vx+1=Qm") {
		t.Error("another secret is taken for it")
	}
}
