package api_test

import (
	"testing"

	"modelproviders/api/apitest"
)

func TestProviderCreate(t *testing.T) {
	onEach(t, func(t *testing.T, s *apitest.Server) {
		t.Run("with models", func(t *testing.T) {
			c := s.Workspace(t)
			p := c.CreateProvider(apitest.OpenAI(apitest.Object{"models": apitest.List{apitest.GPT("gpt-4", nil)}}))
			t.Logf("%+v", p)
			c.Patch(p.Path(), `{"name":null}`).Problem(422, "validation_failed", "name required")
			t.Log(s.Log.Request(t, c.Get("/providers").Is(200).RequestID()))
		})
	})
}
