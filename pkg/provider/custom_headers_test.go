package provider_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"modelproviders/pkg/egress"
	"modelproviders/pkg/fault"
	"modelproviders/pkg/provider"
	"modelproviders/pkg/secret"
)

const customURL = `{"base_url":"https://llm.example.com"}`

func TestHeaders(t *testing.T) {
	stored := provider.Stored{Credentials: []string{"api_key", "headers.x-team", "headers.x-zone"}, Config: map[string]string{"base_url": "https://llm.example.com"}}
	authorized := provider.Stored{Credentials: []string{"headers.authorization"}, Config: stored.Config}
	var eleven strings.Builder
	for i := range 11 {
		fmt.Fprintf(&eleven, `,"X-%d":"v"`, i)
	}
	for name, c := range map[string]struct {
		stored          provider.Stored
		credentials     string
		values, removed []string
		problems        map[string]fault.Code
	}{
		"none":               {credentials: `{}`},
		"new":                {credentials: `{"headers":{"X-Team":" a\n","x-zone":"Bearer b","Authorization":"Basic \"c\""}}`, values: []string{"headers.authorization=Basic \"c\"", "headers.x-team=a", "headers.x-zone=Bearer b"}},
		"absent":             {stored: stored, credentials: `{"api_key":"k"}`, values: []string{"api_key=k"}},
		"null":               {stored: stored, credentials: `{"headers":null}`},
		"an empty list":      {stored: stored, credentials: `{"headers":{}}`, removed: []string{"headers.x-team", "headers.x-zone"}},
		"the whole list":     {stored: stored, credentials: `{"headers":{"X-Team":"new","X-Other":"o"}}`, values: []string{"headers.x-other=o", "headers.x-team=new"}, removed: []string{"headers.x-zone"}},
		"values that keep":   {stored: stored, credentials: `{"headers":{"X-TEAM":"••••••••","x-zone":{"set":true,"masked":"••••••••"}}}`},
		"blanks that keep":   {stored: stored, credentials: `{"headers":{"X-Team":"","x-zone":null}}`},
		"one is not set":     {stored: stored, credentials: `{"headers":{"X-Team":{"set":false},"x-zone":""}}`, removed: []string{"headers.x-team"}},
		"a key for a header": {stored: authorized, credentials: `{"api_key":"k","headers":{}}`, values: []string{"api_key=k"}, removed: []string{"headers.authorization"}},
		"a header for a key": {stored: stored, credentials: `{"api_key":{"set":false},"headers":{"authorization":"x"}}`, values: []string{"headers.authorization=x"}, removed: []string{"api_key", "headers.x-team", "headers.x-zone"}},
		"ten":                {credentials: `{"headers":{` + eleven.String()[len(`,"X-0":"v",`):] + `}}`, values: []string{"headers.x-10=v", "headers.x-1=v", "headers.x-2=v", "headers.x-3=v", "headers.x-4=v", "headers.x-5=v", "headers.x-6=v", "headers.x-7=v", "headers.x-8=v", "headers.x-9=v"}},

		"eleven":             {credentials: `{"headers":{` + eleven.String()[1:] + `}}`, problems: map[string]fault.Code{"credentials.headers": fault.TooMany}},
		"nothing to keep":    {credentials: `{"headers":{"X-A":"","X-B":"••••••••","X-C":null,"X-D":{"set":true}}}`, problems: map[string]fault.Code{"credentials.headers.X-A": fault.Required, "credentials.headers.X-B": fault.Required, "credentials.headers.X-C": fault.Required, "credentials.headers.X-D": fault.Required}},
		"masks":              {stored: stored, credentials: `{"headers":{"X-Team":"•","x-zone":"***"}}`, problems: map[string]fault.Code{"credentials.headers.X-Team": fault.Invalid, "credentials.headers.x-zone": fault.Invalid}},
		"control characters": {credentials: `{"headers":{"X-A":"a\nb","X-B":"a\u0000","X-C":"é","X-D":"a\tb"}}`, problems: map[string]fault.Code{"credentials.headers.X-A": fault.Invalid, "credentials.headers.X-B": fault.Invalid, "credentials.headers.X-C": fault.Invalid, "credentials.headers.X-D": fault.Invalid}},
		"another case":       {credentials: `{"headers":{"X-Team":"a","x-team":"b"}}`, problems: map[string]fault.Code{"credentials.headers.x-team": fault.Duplicate}},
		"given twice":        {credentials: `{"headers":{"X-Team":"a","X-Team":"b"}}`, problems: map[string]fault.Code{"credentials.headers.X-Team": fault.Duplicate}},
		"no object":          {credentials: `{"headers":["X-Team"]}`, problems: map[string]fault.Code{"credentials.headers": fault.Invalid}},
		"a text":             {credentials: `{"headers":"X-Team: a"}`, problems: map[string]fault.Code{"credentials.headers": fault.Invalid}},
		"no texts":           {credentials: `{"headers":{"X-Team":1,"set":true,"X-Zone":{"value":"a"}}}`, problems: map[string]fault.Code{"credentials.headers.X-Team": fault.Invalid, "credentials.headers.set": fault.Invalid, "credentials.headers.X-Zone": fault.Invalid}},
		"too long":           {credentials: `{"headers":{"X-Team":"` + strings.Repeat("v", 4097) + `"}}`, problems: map[string]fault.Code{"credentials.headers.X-Team": fault.TooLong}},
		"both at once":       {credentials: `{"api_key":"k","headers":{"AUTHORIZATION":"x"}}`, problems: map[string]fault.Code{"credentials.headers.AUTHORIZATION": fault.Invalid}},
		"beside a stored key": {stored: stored, credentials: `{"headers":{"Authorization":"x"}}`,
			problems: map[string]fault.Code{"credentials.headers.Authorization": fault.Invalid}},
		"a key beside a stored one": {stored: authorized, credentials: `{"api_key":"k"}`, problems: map[string]fault.Code{"credentials.api_key": fault.Invalid}},
		"a key beside a kept one": {stored: authorized, credentials: `{"api_key":"k","headers":{"authorization":""}}`,
			problems: map[string]fault.Code{"credentials.api_key": fault.Invalid}},
	} {
		settings, faults := read(t, lookup(t, "custom"), json.RawMessage(c.credentials), json.RawMessage(customURL), c.stored)
		if diff := cmp.Diff(c.problems, codes(faults), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: problems %s", name, diff)
		}
		if len(c.problems) > 0 {
			continue
		}
		var values []string
		for field, value := range settings.Credentials {
			values = append(values, field+"="+value.Reveal())
		}
		slices.Sort(values)
		if diff := cmp.Diff(c.values, values, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: values %s", name, diff)
		}
		if diff := cmp.Diff(c.removed, settings.Removed, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: removed %s", name, diff)
		}
	}
}

func TestNamesOfHeaders(t *testing.T) {
	problem := func(name string) string {
		credentials := encode(t, map[string]any{"headers": map[string]any{name: "value"}})
		_, faults := read(t, lookup(t, "custom"), credentials, json.RawMessage(customURL), provider.Stored{})
		if len(faults) == 0 {
			return ""
		}
		if len(faults[0].Name) > 200 {
			t.Errorf("the field is named in %d bytes", len(faults[0].Name))
		}
		return faults[0].Message
	}
	for _, name := range []string{
		"Accept", "Accept-Encoding", "Content-Type", "Content-Length", "Content-Foo", "User-Agent", "X-Stainless-Lang", "Connection", "Expect", "Host", "HTTP2-Settings",
		"Keep-Alive", "Proxy-Authorization", "Proxy-Connection", "TE", "Trailer", "Transfer-Encoding", "Upgrade", "Cookie", "Sec-Fetch-Mode", "Forwarded", "Via",
		"X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip", "X-HTTP-Method-Override", "Metadata", "Metadata-Flavor", "X-Aws-Ec2-Metadata-Token",
	} {
		for _, spelling := range []string{name, strings.ToLower(name), strings.ToUpper(name)} {
			if got := problem(spelling); !strings.Contains(got, "can't be set") {
				t.Errorf("%s: %q", spelling, got)
			}
		}
	}
	for _, name := range []string{"", " ", "X Team", "X:Team", "X-Team\r\nHost", "X-Tëam", "X(Team)", "X/Team", `X"Team`, "{X}", "X\u0000"} {
		if got := problem(name); !strings.Contains(got, "name of a header") {
			t.Errorf("%q: %q", name, got)
		}
	}
	for _, length := range []int{101, 5000} {
		if got := problem(strings.Repeat("x", length)); !strings.Contains(got, "100 characters") {
			t.Errorf("%d characters: %q", length, got)
		}
	}
	for _, name := range []string{"X-Team", "api-key", "Ocp-Apim-Subscription-Key", "X", "Authorization", "Acceptable", "Host-Name", "TEAM", "!#$%&'*+.^_`|~09-az", strings.Repeat("x", 100)} {
		if got := problem(name); got != "" {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// openCustom opens a client of a custom server with credentials, as they are stored.
func openCustom(t *testing.T, url string, credentials map[string]string) provider.Client {
	t.Helper()
	texts := map[string]secret.Text{}
	for name, value := range credentials {
		texts[name] = secret.NewText(value)
	}
	client, err := lookup(t, "custom").Open(texts, map[string]string{"base_url": url}, provider.OpenOptions{Transport: guarded(t, egress.Config{Allow: []string{"127.0.0.1"}})})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// TestShortValuesOfHeadersAreNotCut: a short one may be an ordinary word.
func TestShortValuesOfHeadersAreNotCut(t *testing.T) {
	const long = "0123456789abcdef"
	s := serve(t, 200, "application/json", `{"choices":[{"message":{"content":"research `+long+` `+long[:15]+` `+long+`x `+long[1:]+`y"}}]}`)
	client := openCustom(t, s.URL, map[string]string{"headers.x-team": "research", "headers.x-key": long, "headers.x-short": long[:15], "headers.x-token": "Bearer " + long + "x", "headers.authorization": "Basic " + long[1:] + "y"})
	result := client.Generate(t.Context(), provider.Prompt{ModelID: "m", Text: "x"}, nil)
	if want := "research •••• " + long[:15] + " •••• ••••"; result.Response != want {
		t.Errorf("the response is %q, want %q", result.Response, want)
	}
}

// TestCheckWithoutTheKey: a list proves only what it can't be read without.
func TestCheckWithoutTheKey(t *testing.T) {
	for name, c := range map[string]struct {
		credentials map[string]string
		needs       string // the header without which the server refuses
		proven      bool
		says        string
		calls       int
	}{
		"a key that is needed":                {map[string]string{"api_key": "sk-1"}, "Authorization", true, "accepts the credentials", 2},
		"a key that is not":                   {map[string]string{"api_key": "sk-1"}, "", false, "to anyone", 2},
		"a key beside a header that is":       {map[string]string{"api_key": "sk-1", "headers.x-team": "a"}, "X-Team", false, "without the API key", 2},
		"a key that is, beside a header":      {map[string]string{"api_key": "sk-1", "headers.x-team": "a"}, "Authorization", true, "accepts the credentials", 2},
		"only a header that is needed":        {map[string]string{"headers.x-team": "a"}, "X-Team", true, "accepts the credentials", 2},
		"only a header that is not":           {map[string]string{"headers.x-team": "a"}, "", false, "to anyone", 2},
		"neither":                             {nil, "", false, "without credentials", 1},
		"neither, although one is needed":     {nil, "Authorization", false, "", 1},
		"a header instead of the needed key":  {map[string]string{"headers.x-team": "a"}, "Authorization", false, "", 1},
		"a key instead of the needed header ": {map[string]string{"api_key": "sk-1"}, "X-Team", false, "", 1},
	} {
		s := serveAt(t, "/v1", func(w http.ResponseWriter, r *http.Request) {
			if c.needs != "" && r.Header.Get(c.needs) == "" {
				http.Error(w, `{"error":{"message":"Not authenticated."}}`, http.StatusUnauthorized)
				return
			}
			_, _ = io.WriteString(w, `{"data":[{"id":"m"}]}`)
		})
		result := openCustom(t, s.URL+"/v1", c.credentials).Check(t.Context())
		if result.Proven != c.proven || !strings.Contains(result.Detail, c.says) || (result.Failure != nil) != (c.says == "") || s.count() != c.calls {
			t.Errorf("%s: %+v after %d calls, %v", name, result, s.count(), result.Failure)
		}
	}
}

func TestHintsWithoutAKey(t *testing.T) {
	s := serve(t, 401, "application/json", `{"error":{"message":"Not authenticated."}}`)
	for _, c := range []struct {
		credentials map[string]string
		hint        string
	}{
		{nil, "The server needs credentials. Enter an API key"},
		{map[string]string{"headers.x-team": "a"}, "Check the headers"},
		{map[string]string{"api_key": "sk-1"}, "Replace the API key of this provider."},
		{map[string]string{"api_key": "sk-1", "headers.x-team": "a"}, "or check its headers"},
	} {
		result := openCustom(t, s.URL, c.credentials).Generate(t.Context(), provider.Prompt{ModelID: "m", Text: "x"}, nil)
		if f := failure(t, result, provider.Authentication); !strings.Contains(f.Hint, c.hint) {
			t.Errorf("%v: %q", c.credentials, f.Hint)
		}
	}
}

// FuzzHeaders: whatever the headers of a request are, what is accepted can be sent.
func FuzzHeaders(f *testing.F) {
	for _, seed := range []string{`{}`, `{"X-A":"b","x-a":"c"}`, `{"Host":"x"}`, `{"Authorization":{"set":true}}`, `{"X-A":null}`, `[]`, `{"":""}`, `{"a":"\r\n"}`} {
		f.Add(seed)
	}
	typ := lookup(f, "custom")
	f.Fuzz(func(t *testing.T, headers string) {
		if !json.Valid([]byte(headers)) {
			return
		}
		stored := []string{"headers.x-a", "headers.authorization"}
		settings, problems := typ.Read(provider.Request{Credentials: map[string]json.RawMessage{"headers": json.RawMessage(headers)}},
			provider.Stored{Credentials: stored, Config: map[string]string{"base_url": "https://a.example"}})
		if len(problems.Malformed)+len(problems.Invalid) > 0 {
			return
		}
		for field, value := range settings.Credentials {
			name, isHeader := strings.CutPrefix(field, "headers.")
			plain := value.Reveal()
			if !isHeader || name != strings.ToLower(name) || name == "" || len(name) > 100 || plain == "" || plain != strings.TrimSpace(plain) || len(plain) > 4096 || slices.Contains(settings.Removed, field) {
				t.Errorf("%q: %q is set to %q, removed are %v", headers, field, plain, settings.Removed)
			}
			req, err := http.NewRequest(http.MethodGet, "http://a.example", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set(name, plain)
			if err := req.Write(io.Discard); err != nil {
				t.Errorf("%q can't be sent: %v", headers, err)
			}
		}
		for _, field := range settings.Removed {
			if !slices.Contains(stored, field) {
				t.Errorf("%q: %s is removed, but not stored", headers, field)
			}
		}
	})
}
