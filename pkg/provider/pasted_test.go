package provider

import (
	"encoding/base64"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

func TestKeysAsTheyArePasted(t *testing.T) {
	for value, want := range map[string]string{
		"sk-abc": "sk-abc", " sk-abc\n": "sk-abc", "Bearer sk-abc": "sk-abc", "bearer  sk-abc": "sk-abc",
		`"sk-abc"`: "sk-abc", "'sk-abc'": "sk-abc", `"Bearer sk-abc"`: "sk-abc", `Bearer "sk-abc"`: "sk-abc",
		`"sk-abc`: `"sk-abc`, "bearer-token": "bearer-token", "sk-a.b-c*": "sk-a.b-c*",
		"abc8Q~0123456789.-_...0123456789abcdefgh": "abc8Q~0123456789.-_...0123456789abcdefgh", // as of Entra ID
	} {
		settings, faults := openAI.Read(Request{Credentials: apiKey(t, value)}, Stored{})
		if got := settings.Credentials["api_key"].Reveal(); len(faults.Invalid) > 0 || got != want {
			t.Errorf("%q is taken as %q, %+v", value, got, faults)
		}
	}
	for _, value := range []string{"••••", "********", "sk-p****cdef", "sk-...cdef", "sk-…cdef", "Bearer sk-...cdef", `"***"`, "Bearer", "Bearer ", `"bearer"`} {
		_, problems := openAI.Read(Request{Credentials: apiKey(t, value)}, Stored{})
		if faults := problems.Invalid; len(faults) != 1 || !strings.Contains(faults[0].Message, "mask") && !strings.Contains(faults[0].Message, "required") {
			t.Errorf("%q: %+v", value, faults)
		}
	}
}

func apiKey(t *testing.T, key string) map[string]json.RawMessage {
	t.Helper()
	b, err := json.Marshal(key)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]json.RawMessage{"api_key": b}
}

func TestCustomAddressesAsTheyArePasted(t *testing.T) {
	const host = "https://host.example"
	for address, want := range map[string]struct {
		origin, first string
		named         bool
	}{
		host: {host, host + "/v1", false}, "https://v1": {"https://v1", "https://v1/v1", false}, host + "/": {host, host + "/v1", false}, host + "/v1": {host, host + "/v1", true}, host + "/v1//": {host, host + "/v1", true},
		host + "/V1": {host + "/V1", host + "/V1", true}, host + "/V1/Chat/Completions": {host + "/V1", host + "/V1", true},
		host + "/v1/chat/completions": {host, host + "/v1", true}, host + "/v1/chat/completions/": {host, host + "/v1", true},
		host + "/v1/models": {host, host + "/v1", true}, host + "/v1/responses": {host, host + "/v1", true}, host + "/v1/chat": {host, host + "/v1", true}, host + "/v1/completions": {host, host + "/v1", true},
		host + "/models": {host + "/models", host + "/models/v1", false}, host + "/responses": {host + "/responses", host + "/responses/v1", false}, host + "/chat": {host + "/chat", host + "/chat/v1", false},
		host + "/openai/chat/completions": {host + "/openai", host + "/openai/v1", false}, host + "/v1x": {host + "/v1x", host + "/v1x/v1", false},
	} {
		if origin, first, named := customBase(address); origin != want.origin || first != want.first || named != want.named {
			t.Errorf("%s is %q, %q, %v, want %+v", address, origin, first, named, want)
		}
	}
	// An Azure address is called as it is, so nothing is cut from its origin.
	config := map[string]string{"base_url": host + "/chat/completions"}
	if got := azureOpenAI.Origin(config); got != config["base_url"] {
		t.Errorf("the origin on Azure is %s", got)
	}
}

func TestKeyFilesAsTheyArePasted(t *testing.T) {
	file := toJSON(t, newKeyFile(t))
	quoted, err := json.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	want, err := parseServiceAccount(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"line breaks":       strings.ReplaceAll(file, `\n`, "\n"),
		"Windows' breaks":   strings.ReplaceAll(file, `\n`, "\r\n"),
		"quoted twice":      string(quoted),
		"byte order mark":   "\ufeff" + file,
		"mark in quotes":    `"\ufeff` + string(quoted[1:]),
		"single quotes":     "'" + file + "'",
		"white space":       "\n  " + file + "\n",
		"escaped too often": strings.ReplaceAll(file, `\n`, `\\n`),
	} {
		if got, err := parseServiceAccount(text); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, encoding := range map[string]*base64.Encoding{"standard": base64.StdEncoding, "URL": base64.URLEncoding, "unpadded": base64.RawStdEncoding} {
		for _, text := range []string{file, "\ufeff" + file, file + " ", file + "  "} {
			if _, err := parseServiceAccount(encoding.EncodeToString([]byte(text))); err == nil || !strings.Contains(err.Error(), "base64") {
				t.Errorf("base64 (%s): %v", name, err)
			}
		}
	}
	for _, space := range []string{"\u00a0", "\u200b", "\u3000", "“"} {
		if _, err := parseServiceAccount("{" + space + file[1:]); err == nil || !strings.Contains(err.Error(), "character U+") {
			t.Errorf("%q: %v", space, err)
		}
	}
}
