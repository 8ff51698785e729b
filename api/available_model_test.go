package api_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"modelproviders/api/apitest"
	"modelproviders/pkg/provider/providertest"
)

type availableModels struct {
	Data []struct {
		ModelID     string `json:"model_id"`
		DisplayName string `json:"display_name"`
		Added       bool   `json:"added"`
	} `json:"data"`
	Supported bool `json:"supported"`
	Truncated bool `json:"truncated"`
}

func (m availableModels) ids() (ids []string) {
	for _, model := range m.Data {
		ids = append(ids, model.ModelID)
	}
	return ids
}

func TestAvailableModelsOfEachType(t *testing.T) {
	fakes := startFakes(t)
	onEach(t, func(t *testing.T, s *apitest.Server) {
		admin := s.Admin(t)
		for _, fake := range fakes {
			t.Run(fake.Type, func(t *testing.T) {
				admin := admin.In(t)
				p := admin.CreateProvider(providerOf(fake))
				var of, unsaved availableModels
				admin.Get(p.Path() + "/available-models").Is(http.StatusOK).Into(&of)
				admin.Post("/provider-types/"+fake.Type+"/available-models", settingsOf(fake, nil)).Is(http.StatusOK).Into(&unsaved)
				if !of.Supported || len(of.Data) == 0 || of.Truncated || !slices.IsSorted(of.ids()) {
					t.Errorf("got %+v", of)
				}
				if !slices.Equal(of.ids(), unsaved.ids()) {
					t.Errorf("unsaved settings reach %v, saved ones %v", unsaved.ids(), of.ids())
				}
				for _, m := range of.Data {
					if m.DisplayName == "" || m.Added != (m.ModelID == fake.ModelID) {
						t.Errorf("got %+v; only %s was added", m, fake.ModelID)
					}
				}
				var found availableModels
				first := of.Data[0].ModelID
				admin.Get(p.Path() + "/available-models?q=" + strings.ToUpper(first[:len(first)-1])).Is(http.StatusOK).Into(&found)
				if !slices.Contains(found.ids(), first) {
					t.Errorf("a search for the beginning of %s finds %v", first, found.ids())
				}
				admin.Get(p.Path() + "/available-models?q=no%20such%20model").Is(http.StatusOK).Into(&found)
				if len(found.Data) != 0 {
					t.Errorf("a search for nothing finds %v", found.ids())
				}
			})
		}
	}, reaching(fakes...))
}

func TestAvailableModelsOfAnUpstreamThatFails(t *testing.T) {
	onEachWithFake(t, providertest.OpenAI, func(t *testing.T, s *apitest.Server, fake *providertest.Server) {
		admin := s.Admin(t)
		p := admin.CreateProvider(providerOf(fake))
		fake.Use(providertest.Authentication)
		answer := admin.Get(p.Path() + "/available-models")
		answer.Problem(http.StatusBadGateway, "upstream_failed")
		upstream, ok := answer.Object()["upstream"].(apitest.Object)
		if !ok || upstream["kind"] != "authentication" || upstream["message"] == "" || upstream["hint"] == "" {
			t.Errorf("upstream is %v", upstream)
		}
		if got := admin.Provider(p.ID); got.Status != "error" || got.Error.Kind != "authentication" || got.Error.ModelID != nil {
			t.Errorf("the provider is %s %+v", got.Status, got.Error)
		}
		admin.Post("/provider-types/openai/available-models", settingsOf(fake, nil)).Problem(http.StatusBadGateway, "upstream_failed")

		fake.Use(providertest.Success)
		admin.Get(p.Path() + "/available-models").Is(http.StatusOK)
		if got := admin.Provider(p.ID); got.Status != "active" {
			t.Errorf("after a success the provider is %s", got.Status)
		}
	})
}

func TestAnUpstreamWithoutAList(t *testing.T) {
	fake := providertest.Start(t, providertest.Custom())
	fake.Use(providertest.NoModelList)
	onEach(t, func(t *testing.T, s *apitest.Server) {
		admin := s.Admin(t)
		p := admin.CreateProvider(providerOf(fake))
		var got availableModels
		admin.Get(p.Path() + "/available-models").Is(http.StatusOK).Into(&got)
		if got.Supported || got.Data == nil || len(got.Data) != 0 {
			t.Errorf("got %+v", got)
		}
	}, reaching(fake))
}
