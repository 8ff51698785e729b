package provider_test

import (
	"bytes"
	"compress/gzip"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"

	"modelproviders/pkg/provider/providertest"
)

// rule is one answer of a case's upstream, and the requests that get it. The
// first rule that matches answers. An answer has one body at most: JSON, Body,
// B64 or Chunks, which are sent one by one; or Raw, bytes instead of HTTP.
type rule struct {
	Match        ruleMatch         `json:"match"`
	Status       int               `json:"status"` // 200 where it is left out
	Headers      map[string]string `json:"headers"`
	JSON         json.RawMessage   `json:"json"`
	Body         string            `json:"body"`
	B64          []byte            `json:"b64"`
	Chunks       []string          `json:"chunks"`
	Raw          string            `json:"raw"`
	Encode       string            `json:"encode"`        // gzip: the body is compressed
	EncodeChunks string            `json:"encode_chunks"` // gzip: so is the stream
}

// ruleMatch are the requests that a rule answers; what is left out matches any.
type ruleMatch struct {
	Path   *pattern    `json:"path"`
	Target *pattern    `json:"target"` // the path with its query
	Method string      `json:"method"`
	Stream *bool       `json:"stream"` // whether the body asks for a stream
	Has    string      `json:"has"`    // a field of the body
	Lacks  string      `json:"lacks"`
	Model  string      `json:"model"`
	Header *[2]pattern `json:"header"` // a name and a pattern of its value
}

// pattern is a regular expression.
type pattern struct{ *regexp.Regexp }

func (p *pattern) UnmarshalText(text []byte) (err error) {
	p.Regexp, err = regexp.Compile(string(text))
	return err
}

func (p *pattern) matches(text string) bool { return p == nil || p.MatchString(text) }

// caseUpstream serves the rules of one case on a plain and on a TLS port.
type caseUpstream struct {
	plain, tls *httptest.Server

	mu       sync.Mutex
	rules    []rule
	requests []string // request lines and bodies, for the log
}

// tokenPath is where Google's token endpoint is, and entraPath is the address of
// Microsoft Entra ID.
const (
	tokenPath = "/google-token"
	entraPath = "/entra"
)

// isToken reports whether a path is that of a token endpoint.
func isToken(path string) bool { return path == tokenPath || strings.HasPrefix(path, entraPath+"/") }

func startCaseUpstream(t testing.TB) *caseUpstream {
	t.Helper()
	u := new(caseUpstream)
	u.plain, u.tls = httptest.NewUnstartedServer(u), httptest.NewUnstartedServer(u)
	for _, server := range []*httptest.Server{u.plain, u.tls} {
		server.Config.ErrorLog = log.New(io.Discard, "", 0)
		t.Cleanup(func() {
			server.CloseClientConnections()
			server.Close()
		})
	}
	u.plain.Start()
	u.tls.StartTLS()
	return u
}

// use takes the rules of a case.
func (u *caseUpstream) use(t testing.TB, rules []rule) {
	t.Helper()
	for _, r := range rules {
		for _, coding := range []string{r.Encode, r.EncodeChunks} {
			if coding != "" && coding != "gzip" {
				t.Fatalf("there is no coding %q", coding)
			}
		}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.rules = rules
}

// asked are the requests that came.
func (u *caseUpstream) asked() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.requests
}

func (u *caseUpstream) rootCAs() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(u.tls.Certificate())
	return pool
}

// endpoints leads the types without a base URL here.
func (u *caseUpstream) endpoints() string {
	return strings.ReplaceAll("openai=URL/v1,anthropic=URL,aws_bedrock=URL,gcp_vertex_ai=URL,aws_sts=URL/aws-sts,google_token=URL"+tokenPath+",entra=URL"+entraPath, "URL", u.plain.URL)
}

// serviceAccount is the key file of a service account, made once.
var serviceAccount = sync.OnceValue(func() string {
	credentials, _ := providertest.GCPVertexAI().Settings("")
	return strings.ReplaceAll(credentials["service_account_json"].(string), "my-project", "demo-project")
})

// placeholder is what a case file writes for a value that a run makes.
var placeholder = regexp.MustCompile(`\{\{[a-z][^{}]*\}\}|__[A-Z0-9]+__`)

// fill puts values in the place of a case file's placeholders, which stand
// inside JSON strings.
func (u *caseUpstream) fill(t testing.TB, text string) string {
	t.Helper()
	file := serviceAccount()
	plain, tls := strings.TrimPrefix(u.plain.URL, "http://"), strings.TrimPrefix(u.tls.URL, "https://")
	lineBreaks := strings.ReplaceAll(file, `\n`, "\n")
	noBreakSpaces := strings.ReplaceAll(file, "\n  ", "\n\u00a0\u00a0")
	inBase64 := base64.StdEncoding.EncodeToString([]byte(file))
	values := map[string]string{
		"{{upstream}}":      u.plain.URL,
		"{{tls}}":           u.tls.URL,
		"{{tls host:port}}": tls,
		"{{port}}":          plain[strings.LastIndex(plain, ":")+1:],
		"__TLSASHTTP__":     "http://" + tls,
		"__HTTPASTLS__":     "https://" + plain,

		"{{service_account}}": file,
		"{{service_account|real line breaks in private_key}}": lineBreaks,
		"{{service_account|base64}}":                          inBase64,
		"{{service_account|indented with U+00A0}}":            noBreakSpaces,
		"__REALNL__": lineBreaks,
		"__B64__":    inBase64,
		"__NBSP__":   noBreakSpaces,
		"__TWICE__":  string(encode(t, file)),
	}
	return placeholder.ReplaceAllStringFunc(text, func(name string) string {
		value, ok := values[name]
		if !ok {
			t.Errorf("there is no placeholder %s", name)
		}
		quoted := string(encode(t, value))
		return quoted[1 : len(quoted)-1]
	})
}

// ServeHTTP answers one request.
func (u *caseUpstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client went away
	}
	w.Header().Set("Content-Type", "application/json")
	u.mu.Lock()
	u.requests = append(u.requests, r.Method+" "+r.RequestURI+" "+string(body))
	rules := u.rules
	u.mu.Unlock()
	for _, rule := range rules {
		// Only a rule that names a token endpoint answers in its place.
		if rule.Match.matches(r, body) && (!isToken(r.URL.Path) || rule.Match.namesToken()) {
			rule.answer(w)
			return
		}
	}
	if isToken(r.URL.Path) {
		_, _ = io.WriteString(w, `{"access_token":"ya29.token-0123456789","expires_in":3599,"token_type":"Bearer"}`)
		return
	}
	w.WriteHeader(http.StatusNotFound)
	_, _ = io.WriteString(w, `{"detail":"Not Found"}`)
}

// namesToken reports whether the path that is meant is that of a token endpoint.
func (m ruleMatch) namesToken() bool {
	return m.Path != nil && (strings.Contains(m.Path.String(), tokenPath) || strings.Contains(m.Path.String(), entraPath))
}

// matches reports whether a request is of those that are meant.
func (m ruleMatch) matches(r *http.Request, body []byte) bool {
	var fields map[string]any
	_ = json.Unmarshal(body, &fields) // a body that is not JSON has no fields
	path, _, _ := strings.Cut(r.RequestURI, "?")
	stream, _ := fields["stream"].(bool)
	_, has := fields[m.Has]
	_, lacks := fields[m.Lacks]
	return m.Path.matches(path) && m.Target.matches(r.RequestURI) &&
		(m.Method == "" || m.Method == r.Method) &&
		(m.Stream == nil || *m.Stream == stream) &&
		(m.Has == "" || has) && (m.Lacks == "" || !lacks) &&
		(m.Model == "" || fields["model"] == m.Model) &&
		(m.Header == nil || m.Header[1].MatchString(r.Header.Get(m.Header[0].String())))
}

// answer sends a rule's answer.
func (r rule) answer(w http.ResponseWriter) {
	if r.Raw != "" {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		_, _ = io.WriteString(conn, r.Raw)
		_ = conn.Close()
		return
	}
	header := map[string]string{}
	if r.Chunks != nil {
		header["Content-Type"] = "text/event-stream"
	}
	maps.Copy(header, r.Headers)
	compressed := r.Encode != "" || r.EncodeChunks != ""
	if compressed {
		header["Content-Encoding"] = "gzip"
	}
	for name, value := range header {
		w.Header().Set(name, value)
	}
	if r.Status != 0 {
		w.WriteHeader(r.Status)
	}
	out, flush := io.Writer(w), http.NewResponseController(w).Flush
	if compressed {
		zip := gzip.NewWriter(w)
		defer zip.Close()
		send := flush
		out, flush = zip, func() error { return errors.Join(zip.Flush(), send()) }
	}
	_, _ = out.Write(bytes.Join([][]byte{r.JSON, []byte(r.Body), r.B64}, nil))
	for _, chunk := range r.Chunks {
		_, _ = io.WriteString(out, chunk)
		_ = flush()
	}
}
