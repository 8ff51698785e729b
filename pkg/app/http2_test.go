package app_test

import (
	"net/http"
	"strings"
	"testing"

	"modelproviders/pkg/app"
)

// On HTTP/2, too, an answer without a body is complete: its line in the log does not say
// that the client has gone.
func TestAnswerWithoutBodyOnHTTP2(t *testing.T) {
	t.Parallel()
	cert, key := certificate(t)
	s := running(t, func(c *app.Config) { c.TLSCert, c.TLSKey = cert, key })
	made := s.must(t, http.StatusCreated, "POST", "/providers", openAI("P"))
	deleted := s.must(t, http.StatusNoContent, "DELETE", "/providers/"+made.string("id"), nil)
	if deleted.version != "HTTP/2.0" {
		t.Fatal("the test speaks", deleted.version)
	}
	id := deleted.header.Get("X-Request-Id")
	line := func() string {
		for line := range strings.Lines(s.log.String()) {
			if strings.Contains(line, "msg=request") && strings.Contains(line, id) {
				return line
			}
		}
		return ""
	}
	eventually(t, "the request is logged", func() bool { return line() != "" })
	if strings.Contains(line(), "client_gone") {
		t.Error("a complete answer is logged as", line())
	}
}
