package provider

import (
	"bytes"
	"testing"
)

func TestVertexHost(t *testing.T) {
	for region, want := range map[string]string{
		"global": "aiplatform.googleapis.com", "us": "aiplatform.us.rep.googleapis.com",
		"eu": "aiplatform.eu.rep.googleapis.com", "europe-west4": "europe-west4-aiplatform.googleapis.com",
	} {
		if got := vertexHost(region); got != want {
			t.Errorf("region %s is called at %s, want %s", region, got, want)
		}
	}
}

func TestVertexModelSpellings(t *testing.T) {
	gemini := vertexModel{"google", "gemini-2.5-flash"}
	claude := vertexModel{"anthropic", "claude-sonnet-4@20250514"}
	llama := vertexModel{"meta", "llama-3.3-70b-instruct-maas"}
	for id, want := range map[string]vertexModel{
		"gemini-2.5-flash":                          gemini,
		"google/gemini-2.5-flash":                   gemini,
		"models/gemini-2.5-flash":                   gemini,
		"publishers/google/models/gemini-2.5-flash": gemini,
		"projects/p/locations/us-central1/publishers/google/models/gemini-2.5-flash": gemini,
		"claude-sonnet-4@20250514":                             claude,
		"anthropic/claude-sonnet-4@20250514":                   claude,
		"publishers/anthropic/models/claude-sonnet-4@20250514": claude,
		"meta/llama-3.3-70b-instruct-maas":                     llama,
		"publishers/meta/models/llama-3.3-70b-instruct-maas":   llama,
	} {
		if got := parseVertexModel(id); got != want {
			t.Errorf("%s was read as %v, want %v", id, got, want)
		}
	}
}

func TestVertexModelStaysInItsPlaceOfThePath(t *testing.T) {
	for name, want := range map[string]string{
		"claude-sonnet-4@20250514":  "/publishers/google/models/claude-sonnet-4@20250514:generateContent",
		"a/../../b":                 "/publishers/google/models/a%2F..%2F..%2Fb:generateContent",
		"x:predict":                 "/publishers/google/models/x%3Apredict:generateContent",
		"x?alt=media":               "/publishers/google/models/x%3Falt=media:generateContent",
		"x#fragment":                "/publishers/google/models/x%23fragment:generateContent",
		"x%2e%2e":                   "/publishers/google/models/x%252e%252e:generateContent",
		"..":                        "/publishers/google/models/%2E%2E:generateContent",
		"modèle":                    "/publishers/google/models/mod%C3%A8le:generateContent",
		"a b":                       "/publishers/google/models/a%20b:generateContent",
		"x;jsessionid=1,2":          "/publishers/google/models/x%3Bjsessionid=1%2C2:generateContent",
		"x:streamGenerateContent?a": "/publishers/google/models/x%3AstreamGenerateContent%3Fa:generateContent",
	} {
		if got := (vertexModel{"google", name}).path("generateContent"); got != want {
			t.Errorf("%q is called at %s, want %s", name, got, want)
		}
	}
}

func FuzzParseVertexModel(f *testing.F) {
	for _, id := range []string{"gemini-2.5-flash", "publishers/google/models/x", "projects/p/publishers/", "a//b", "claude-@", "/models/"} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		model := parseVertexModel(id)
		path := model.path("generateContent")
		// Four segments, whatever the id holds, and one method.
		if n := countByte(path, '/'); n != 4 {
			t.Errorf("%q is called at %s, which has %d segments", id, path, n)
		}
		if n := countByte(path[len("/publishers/"):], ':'); model.publisher == "google" && n != 1 {
			t.Errorf("%q is called at %s, which has %d methods", id, path, n)
		}
	})
}

func countByte(s string, b byte) int {
	n := 0
	for i := range len(s) {
		if s[i] == b {
			n++
		}
	}
	return n
}

func FuzzGeminiAnswer(f *testing.F) {
	f.Add([]byte(`{"candidates":[{"content":{"parts":[{"text":"Hello"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":3}}`))
	f.Add([]byte(`{"promptFeedback":{"blockReason":"SAFETY"}}`))
	f.Add([]byte(`{"error":{"code":500,"message":"no","status":"INTERNAL"}}`))
	f.Add([]byte(`{"candidates":[null]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		a := &answer{emit: func(string) {}}
		err := readWhole(bytes.NewReader(body), a, readGemini)
		if err == nil && a.finishReason == "" {
			t.Errorf("%q is an answer without an end", body)
		}
	})
}
