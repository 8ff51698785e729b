package api_test

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"modelproviders/api/apitest"
	"modelproviders/pkg/app"
	"modelproviders/pkg/auth"
)

const mask = "••••••••"

// reveal reads a credential in clear.
func reveal(c *apitest.Client, p apitest.Provider, field string) string {
	value, _ := c.Post(p.Path()+"/credentials/"+field+"/reveal", nil).Is(http.StatusOK).Object()["value"].(string)
	return value
}

// A stored credential stays when nothing new is given, and nothing that looks
// like a mask is taken for a new one.
func TestCredentialMasks(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		secret := "sk-first-" + apitest.Secret
		p := c.CreateProvider(apitest.OpenAI(object{"credentials": object{"api_key": secret}}))
		answered := object{"set": true, "masked": mask, "updated_at": p.CreatedAt}
		for _, kept := range []any{
			nil, "", "  ", "\n", mask, " " + mask + "\n", answered,
		} {
			c.Patch(p.Path(), object{"credentials": object{"api_key": kept}}).Is(http.StatusOK).Has("ETag", `"1"`)
		}
		c.Patch(p.Path(), object{"credentials": object{}}).Is(http.StatusOK).Has("ETag", `"1"`)
		for _, masked := range []string{"•", "•••", mask + "•", "••••1234", "sk-••••" + apitest.Secret, "•sk", "*", "***", "********", " **** ", "...", "sk-...cdef", "sk-p****cdef"} {
			body := object{"credentials": object{"api_key": masked}}
			c.Patch(p.Path(), body).Problem(http.StatusUnprocessableEntity, "validation_failed", "credentials.api_key invalid")
			c.Post("/providers", apitest.OpenAI(body)).Problem(http.StatusUnprocessableEntity, "validation_failed", "credentials.api_key invalid")
		}
		for _, none := range []any{nil, "", " ", mask, answered} {
			c.Post("/providers", apitest.OpenAI(object{"credentials": object{"api_key": none}})).
				Problem(http.StatusUnprocessableEntity, "validation_failed", "credentials.api_key required")
		}
		c.Post("/providers", apitest.OpenAI(object{"credentials": object{}})).Problem(http.StatusUnprocessableEntity, "validation_failed", "credentials.api_key required")
		for _, broken := range []any{1, true, list{"x"}, object{"value": "x"}, object{"masked": mask}, object{"set": true, "value": "x"}, object{}} {
			c.Patch(p.Path(), object{"credentials": object{"api_key": broken}}).Problem(http.StatusBadRequest, "malformed_request", "credentials.api_key invalid")
		}
		unchanged(t, c, p)
		if got := reveal(c, p, "api_key"); got != secret {
			t.Errorf("the stored key became %q", got)
		}

		// A star or two dots are nobody's mask.
		for _, taken := range []string{"*a*", "sk-a..b", "sk-1"} {
			time.Sleep(2 * time.Millisecond)
			after := c.EditProvider(p.ID, object{"credentials": object{"api_key": "  " + taken + "\n"}})
			if got := reveal(c, p, "api_key"); got != taken {
				t.Errorf("%q was stored as %q", taken, got)
			}
			if key := after.Credentials["api_key"]; key.UpdatedAt != after.UpdatedAt || key.UpdatedAt == p.CreatedAt {
				t.Errorf("the key was replaced at %s, the provider edited at %s", key.UpdatedAt, after.UpdatedAt)
			}
		}
	})
}

// One of several credentials can be replaced by itself.
func TestCredentialsOneByOne(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		settings := apitest.Settings(t)["aws_bedrock"]
		p := c.CreateProvider(object{"name": "Bedrock", "type": "aws_bedrock", "credentials": settings["credentials"], "config": settings["config"]})
		time.Sleep(2 * time.Millisecond)
		after := c.EditProvider(p.ID, object{"credentials": object{"access_key_id": mask, "secret_access_key": "new-" + apitest.Secret}})
		if after.Version != 2 || after.Credentials["access_key_id"].UpdatedAt != p.CreatedAt || after.Credentials["secret_access_key"].UpdatedAt != after.UpdatedAt {
			t.Errorf("after one was replaced the provider is %+v", after)
		}
		if id, key := reveal(c, p, "access_key_id"), reveal(c, p, "secret_access_key"); id != settings["credentials"].(object)["access_key_id"] || key != "new-"+apitest.Secret {
			t.Errorf("stored are %q and %q", id, key)
		}
		c.Patch(p.Path(), object{"credentials": object{"token": "x"}}).Problem(http.StatusBadRequest, "malformed_request", "credentials.token unknown")
		c.Post("/providers", object{"name": "Half", "type": "aws_bedrock", "credentials": object{"access_key_id": "AKIA" + apitest.Secret}, "config": settings["config"]}).
			Problem(http.StatusUnprocessableEntity, "validation_failed", "credentials.secret_access_key required")
	})
}

// Every credential of every type can be revealed as it was entered, and nothing
// else can.
func TestReveal(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		for typ, settings := range apitest.Settings(t) {
			body := object{"name": typ}
			maps.Copy(body, settings)
			p := c.CreateProvider(body)
			wanted := apitest.Flat(settings["credentials"].(object))
			if stored := slices.Sorted(maps.Keys(wanted)); !slices.Equal(p.Stored(), stored) {
				t.Errorf("%s: %v are stored, not %v", typ, p.Stored(), stored)
			}
			for field, value := range wanted {
				answer := c.Post(p.Path()+"/credentials/"+field+"/reveal", object{"reason": "Moving to another key"}).
					Is(http.StatusOK).Has("Cache-Control", "no-store").Has("ETag", "")
				var revealed struct{ Field, Value string }
				answer.Into(&revealed)
				if plain, ok := value.(string); revealed.Field != field || ok && revealed.Value != plain || !strings.Contains(revealed.Value, apitest.Secret) {
					t.Errorf("%s: %s is revealed as %+v", typ, field, revealed)
				}
			}
			for _, field := range []string{"nothing", "API_KEY", "base_url", "region", "name", "id", "%00", "..", "constructor", "headers", "headers.", "headers.X-Gateway-Key"} {
				c.Post(p.Path()+"/credentials/"+field+"/reveal", nil).Problem(http.StatusNotFound, "not_found")
			}
			unchanged(t, c, p)
		}
	})
}

// Clients escape a name in a path in several ways, and it may contain what must be escaped.
func TestRevealOfAnOddName(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		const name = "x+y%25^|`#&'~"
		p := c.CreateProvider(apitest.Custom(blockedURL, object{"credentials": object{"headers": object{name: apitest.Secret}}}))
		for _, field := range []string{"headers." + url.PathEscape(name), "headers." + url.QueryEscape(name), "headers%2E" + url.QueryEscape(name)} {
			if got := reveal(c, p, field); got != apitest.Secret {
				t.Errorf("%s is revealed as %q", field, got)
			}
		}
	})
}

func TestRevealReason(t *testing.T) {
	broken := map[string]any{"too_long": strings.Repeat("r", 501), "invalid": "a\nb"}
	accepted := []any{"x", strings.Repeat("語", 500), " a reason "}
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		path := blockedProvider(c).Path() + "/credentials/api_key/reveal"
		for code, reason := range broken {
			c.Post(path, object{"reason": reason}).Problem(http.StatusUnprocessableEntity, "validation_failed", "reason "+code)
		}
		for _, reason := range append(accepted, "", "  ") {
			c.Post(path, object{"reason": reason}).Is(http.StatusOK)
		}
		c.Post(path, nil).Is(http.StatusOK)
	})
}

func TestRevealReasonRequired(t *testing.T) {
	onEach(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		path := blockedProvider(c).Path() + "/credentials/api_key/reveal"
		c.Post(path, nil).Problem(http.StatusUnprocessableEntity, "validation_failed", "reason required")
		for _, none := range []any{"{}", object{"reason": ""}, object{"reason": " \n"}, object{"reason": nil}} {
			c.Post(path, none).Problem(http.StatusUnprocessableEntity, "validation_failed", "reason required")
		}
		c.Post(path, object{"reason": "An audit"}).Is(http.StatusOK)
	}, func(cfg *app.Config) { cfg.RevealReason = true })
}

func TestRevealOff(t *testing.T) {
	onEach(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		p := blockedProvider(c)
		c.Post(p.Path()+"/credentials/api_key/reveal", nil).Problem(http.StatusForbidden, "reveal_disabled")
		c.Post("/providers/"+unknownID+"/credentials/x/reveal", "{").Problem(http.StatusForbidden, "reveal_disabled")
		c.As(auth.Editor).Post(p.Path()+"/credentials/api_key/reveal", nil).Problem(http.StatusForbidden, "forbidden")
	}, func(cfg *app.Config) { cfg.Reveal = false })
}
