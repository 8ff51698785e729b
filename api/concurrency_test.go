package api_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"

	"modelproviders/api/apitest"
)

// atOnce makes calls at the same time, and counts the statuses of the answers.
func atOnce(n int, call func(i int) *apitest.Answer) map[int]int {
	var wg sync.WaitGroup
	answers := make([]*apitest.Answer, n)
	for i := range n {
		wg.Go(func() { answers[i] = call(i) })
	}
	wg.Wait()
	statuses := map[int]int{}
	for _, a := range answers {
		statuses[a.Status]++
	}
	return statuses
}

// Of several who do the same at once, one does it, and nothing is lost.
func TestAtOnce(t *testing.T) {
	const n = 8
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		p := c.CreateProvider(apitest.OpenAI(object{"models": list{apitest.GPT("a", nil)}}))
		want := func(what string, got map[int]int, winners, winner, loser int) {
			t.Helper()
			if got[winner] != winners || got[loser] != n-winners {
				t.Errorf("%s: the answers by status are %v", what, got)
			}
		}
		want("create one name", atOnce(n, func(int) *apitest.Answer { return c.Post("/providers", apitest.OpenAI(object{"name": "Same"})) }),
			1, http.StatusCreated, http.StatusConflict)
		want("add one model", atOnce(n, func(int) *apitest.Answer { return c.Post(p.Path()+"/models", apitest.GPT("same", nil)) }),
			1, http.StatusCreated, http.StatusConflict)
		want("edit one version", atOnce(n, func(i int) *apitest.Answer {
			return c.Patch(p.Path(), object{"name": fmt.Sprint("Edited ", i)}, apitest.IfMatch(2))
		}), 1, http.StatusOK, http.StatusPreconditionFailed)
		want("edit one version of a model", atOnce(n, func(i int) *apitest.Answer {
			return c.Patch(p.Models[0].Path(), object{"display_name": fmt.Sprint("Edited ", i), "version": 1})
		}), 1, http.StatusOK, http.StatusPreconditionFailed)
		want("rename to one name", atOnce(n, func(i int) *apitest.Answer {
			other := c.CreateProvider(apitest.OpenAI(object{"name": fmt.Sprint("Other ", i)}))
			return c.Patch(other.Path(), object{"name": "The name"})
		}), 1, http.StatusOK, http.StatusConflict)
		before := c.Provider(p.ID)
		if before.Version != 4 || before.ModelCount != 2 {
			t.Errorf("after three edits the provider has version %d and %d models", before.Version, before.ModelCount)
		}

		want("different edits", atOnce(n, func(i int) *apitest.Answer {
			if i%2 == 0 {
				return c.Patch(p.Path(), object{"name": fmt.Sprint("Again ", i)})
			}
			return c.Post(p.Path()+"/models", apitest.GPT(fmt.Sprint("model ", i), nil))
		}), n/2, http.StatusOK, http.StatusCreated)
		if after := c.Provider(p.ID); after.Version != before.Version+n || after.ModelCount != 2+n/2 {
			t.Errorf("after %d more edits the provider has version %d and %d models", n, after.Version, after.ModelCount)
		}
		want("delete", atOnce(n, func(int) *apitest.Answer { return c.Delete(p.Path()) }), 1, http.StatusNoContent, http.StatusNotFound)
	})
}

// An edit of a provider that is being deleted finds it or does not.
func TestEditWhileDeleted(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		for range 5 {
			p := blockedProvider(c)
			got := atOnce(4, func(i int) *apitest.Answer {
				switch i {
				case 0:
					return c.Delete(p.Path())
				case 1:
					return c.Patch(p.Models[0].Path(), object{"enabled": false})
				case 2:
					return c.Post(p.Path()+"/models", apitest.GPT("b", nil))
				}
				return c.Post("/models/"+p.Models[0].ID+"/test", object{"prompt": "Hi"})
			})
			if got[http.StatusNoContent] != 1 || got[http.StatusInternalServerError] > 0 || got[http.StatusServiceUnavailable] > 0 {
				t.Errorf("the answers by status are %v", got)
			}
			c.Get(p.Path()).Problem(http.StatusNotFound, "not_found")
			if left := walk[apitest.Model](c, "/models?provider_id="+p.ID, 10); len(left) > 0 {
				t.Errorf("models outlived their provider: %+v", left)
			}
		}
	})
}
