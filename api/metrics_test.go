package api_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"modelproviders/api/apitest"
	"modelproviders/pkg/app"
	"modelproviders/pkg/auth"
)

// Only an admin of the default workspace sees metrics, which are about all workspaces.
func TestAccessToMetrics(t *testing.T) {
	onEach(t, func(t *testing.T, s *apitest.Server) {
		s.Clock.Stop()
		c := s.Admin(t)
		if media := c.Get("/metrics").Is(http.StatusOK).Header.Get("Content-Type"); !strings.HasPrefix(media, "text/plain; version=0.0.4") {
			t.Errorf("metrics have the media type %s", media)
		}
		c.Get("/metrics", apitest.Header("Accept", "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited")).Is(http.StatusOK)
		c.Do(http.MethodHead, "/metrics", nil).Is(http.StatusOK)
		c.Get("/metrics?name=go_info").Problem(http.StatusBadRequest, "malformed_request", "name unknown")
		allScopes := s.NewToken(t, auth.DefaultWorkspace, "", func(token *auth.Token) { token.Scopes = auth.Scopes() })
		for name, other := range map[string]*apitest.Client{
			"an editor": c.As(auth.Editor), "an admin of another workspace": s.Workspace(t), "a token with all scopes": c.With(allScopes),
		} {
			if detail := other.Get("/metrics").Problem(http.StatusForbidden, "forbidden"); !strings.Contains(detail, "admin of the workspace default") {
				t.Errorf("%s is refused with %s", name, detail)
			}
		}
		c.With("").Get("/metrics").Problem(http.StatusUnauthorized, "unauthenticated")
		c.With("wrong").Get("/metrics").Problem(http.StatusUnauthorized, "unauthenticated")
		rateLimited(t, c.With("wrong").Get("/metrics"))

		s.Database.Exec(t, "ALTER TABLE tokens RENAME TO tokens_away")
		s.Clock.Advance(time.Second) // for as long a token that was valid is
		c.Get("/metrics").Problem(http.StatusInternalServerError, "internal")
		s.Database.Exec(t, "ALTER TABLE tokens_away RENAME TO tokens")
		s.Database.TakeAway(t)
		c.Get("/metrics").Problem(http.StatusServiceUnavailable, "unavailable")
		s.Database.BringBack(t)
		recovers(t, c)
	}, func(cfg *app.Config) { cfg.Limits.SignInsPerMinute = 1 })
}

// Requests are counted by the template of their route. What a client chooses freely,
// such as a path or a method that does not exist, makes no series of its own.
func TestRequestsAreCounted(t *testing.T) {
	onEach(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		p := blockedProvider(c)
		for range 3 {
			c.Get(p.Path()).Is(http.StatusOK)
		}
		c.Get("/providers/"+unknownID).Problem(http.StatusNotFound, "not_found")
		c.With("").Get("/providers").Problem(http.StatusUnauthorized, "unauthenticated")
		c.With("").Get("/healthz").Is(http.StatusOK)
		c.Get("/chosen-by-the-client").Problem(http.StatusNotFound, "not_found")
		c.Do(http.MethodPut, "/providers", nil).Problem(http.StatusMethodNotAllowed, "method_not_allowed")
		c.Do("CHOSEN", "/providers", nil).Problem(http.StatusMethodNotAllowed, "method_not_allowed")

		metrics := s.Admin(t).Get("/metrics").Is(http.StatusOK).Body
		for _, line := range []string{
			`modelproviders_http_requests_total{method="POST",route="/providers",status="201"} 1`,
			`modelproviders_http_requests_total{method="GET",route="/providers/:id",status="200"} 3`,
			`modelproviders_http_requests_total{method="GET",route="/providers/:id",status="404"} 1`,
			`modelproviders_http_requests_total{method="GET",route="/providers",status="401"} 1`,
			`modelproviders_http_requests_total{method="GET",route="/healthz",status="200"} 1`,
			`modelproviders_http_requests_total{method="other",route="other",status="404"} 1`,
			`modelproviders_http_requests_total{method="other",route="other",status="405"} 2`,
			`modelproviders_http_request_duration_seconds_count{method="GET",route="/providers/:id"} 4`,
			`modelproviders_http_requests_in_flight 1`,
		} {
			if !strings.Contains(metrics, line+"\n") {
				t.Errorf("the metrics lack %s; they have:\n%s", line, linesWith(metrics, "modelproviders_http_requests"))
			}
		}
		for _, private := range []string{"chosen-by-the-client", "CHOSEN", p.ID, c.Workspace, c.Token} {
			if strings.Contains(metrics, private) {
				t.Errorf("the metrics have %q", private)
			}
		}
	}, func(cfg *app.Config) { cfg.BasePath = "/api/v1" })
}

func linesWith(text, prefix string) string {
	var lines []string
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, prefix) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}
