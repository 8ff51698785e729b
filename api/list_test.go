package api_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"modelproviders/api/apitest"
)

// walk reads a list to its end, page by page, and returns what it holds.
func walk[T any](c *apitest.Client, path string, limit int) []T {
	var all []T
	separator := "?"
	if strings.Contains(path, "?") {
		separator = "&"
	}
	for next := fmt.Sprintf("%s%slimit=%d", path, separator, limit); next != ""; {
		var page apitest.Page[T]
		c.Get(next).Is(http.StatusOK).Into(&page)
		all = append(all, page.Data...)
		next = ""
		if page.NextCursor != nil {
			next = fmt.Sprintf("%s%slimit=%d&cursor=%s", path, separator, limit, url.QueryEscape(*page.NextCursor))
		}
	}
	return all
}

func providerNames(providers []apitest.Provider) []string {
	names := []string{}
	for _, p := range providers {
		names = append(names, p.Name)
	}
	return names
}

func displayNames(models []apitest.Model) []string {
	names := []string{}
	for _, m := range models {
		names = append(names, m.DisplayName)
	}
	return names
}

func wantList(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %q, not %q", what, got, want)
	}
}

func TestEmptyList(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		for _, path := range []string{"/providers", "/models", "/providers?q=x&type=openai&status=error", "/models?available=true"} {
			if body := strings.TrimSpace(c.Get(path).Is(http.StatusOK).Body); body != `{"data":[],"next_cursor":null}` {
				t.Errorf("%s: an empty list is answered as %s", path, body)
			}
		}
		p := c.CreateProvider(apitest.OpenAI(nil))
		if body := strings.TrimSpace(c.Get(p.Path() + "/models").Is(http.StatusOK).Body); body != `{"data":[],"next_cursor":null}` {
			t.Errorf("an empty list of models is answered as %s", body)
		}
		c.Get("/providers/"+unknownID+"/models").Problem(http.StatusNotFound, "not_found")
	})
}

// A page can say how long its list is, and leave out what it does not show.
func TestListOptions(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		for _, name := range []string{"One", "Two", "two and a half"} {
			c.CreateProvider(apitest.OpenAI(object{"name": name, "models": list{apitest.GPT("a", nil), apitest.GPT("b", object{"enabled": false})}}))
		}
		for path, want := range map[string]int{
			"/providers": 3, "/providers?q=two": 2, "/providers?name=two": 1, "/providers?name=half": 0, "/providers?status=error": 0, "/providers?view=summary": 3,
			"/models": 6, "/models?enabled=true": 3, "/models?provider_type=custom": 0, "/models?available=false": 3,
		} {
			separator := "?"
			if strings.Contains(path, "?") {
				separator = "&"
			}
			var first, second apitest.Page[object]
			c.Get(path + separator + "count=true&limit=1").Is(http.StatusOK).Into(&first)
			if first.Total == nil || *first.Total != want || len(first.Data) != min(1, want) {
				t.Errorf("%s has %d entries and the total %v, not %d", path, len(first.Data), first.Total, want)
			}
			if first.NextCursor != nil { // the total is no filter, so the cursor stays valid without it
				c.Get(path + separator + "limit=1&cursor=" + *first.NextCursor).Is(http.StatusOK).Into(&second)
				if second.Total != nil || len(second.Data) != 1 {
					t.Errorf("%s: the second page has %d entries and the total %v", path, len(second.Data), second.Total)
				}
			}
			c.Get(path+separator+"count=maybe").Problem(http.StatusBadRequest, "malformed_request", "count invalid")
		}
		p := c.Get("/providers?name=TWO").Is(http.StatusOK).Object()["data"].([]any)[0].(object)
		summary := c.Get("/providers?name=TWO&view=summary").Is(http.StatusOK).Object()["data"].([]any)[0].(object)
		delete(p, "models")
		if diff := cmp.Diff(p, summary); diff != "" || fmt.Sprintf("%v %v", summary["model_count"], summary["enabled_model_count"]) != "2 1" {
			t.Errorf("a summary (-provider without models +got):\n%s", diff)
		}
		c.Get("/providers?name=").Problem(http.StatusBadRequest, "malformed_request", "name invalid")
		c.Get("/providers?view=short").Problem(http.StatusBadRequest, "malformed_request", "view invalid")
		c.Get("/tokens?count=true").Problem(http.StatusBadRequest, "malformed_request", "count unknown")
	})
}

// The longest names are those that grow when they are folded or encoded in JSON.
func TestCursorsOfLongNames(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		for _, character := range []string{"<", "\U0001D160", "\U0001F600", "ﬃ"} {
			long := strings.Repeat(character, 255)
			models := list{apitest.GPT(long+"1", nil), apitest.GPT(long+"2", nil)}
			p := c.CreateProvider(apitest.OpenAI(object{"name": "p" + character, "models": models}))
			wantList(t, character, displayNames(walk[apitest.Model](c, p.Path()+"/models", 1)), long+"1", long+"2")
		}
	})
}

// Names sort by their folded form, the same on every database.
func TestSorts(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		created := []string{"banana", "Äpfel", "apple", "Cherry", "apple 2", "_x", "[x]", "10", "9", "Zebra", "Апельсин", "apple-1", "Über", "Ube"}
		models := list{}
		for i, name := range created {
			c.CreateProvider(apitest.OpenAI(object{"name": name}))
			models = append(models, apitest.GPT(fmt.Sprintf("m-%02d", 99-i), object{"display_name": name}))
		}
		// A provider of its own for the models, with the first name of all.
		p := c.CreateProvider(apitest.OpenAI(object{"name": " 0", "models": models}))
		byName := []string{"10", "9", "[x]", "_x", "apple", "apple 2", "apple-1", "banana", "Cherry", "Ube", "Zebra", "Äpfel", "Über", "Апельсин"}
		backwards := func(names []string) []string { names = slices.Clone(names); slices.Reverse(names); return names }

		for _, limit := range []int{1, 3, 100} {
			for query, want := range map[string][]string{
				"":                  append([]string{"0"}, byName...),
				"?sort=name":        append([]string{"0"}, byName...),
				"?sort=-name":       append(backwards(byName), "0"),
				"?sort=created_at":  append(slices.Clone(created), "0"),
				"?sort=-created_at": append([]string{"0"}, backwards(created)...),
			} {
				wantList(t, "/providers"+query, providerNames(walk[apitest.Provider](c, "/providers"+query, limit)), want...)
			}
			for _, path := range []string{"/models", p.Path() + "/models"} {
				for query, want := range map[string][]string{
					"": byName, "?sort=name": byName, "?sort=-name": backwards(byName),
					"?sort=created_at": created, "?sort=-created_at": backwards(created),
				} {
					wantList(t, path+query, displayNames(walk[apitest.Model](c, path+query, limit)), want...)
				}
			}
		}
	})
}

// Models of one name are told apart by their ids, so none is skipped or
// repeated where a page ends between them.
func TestSortOfEqualNames(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		models := list{}
		for i := range 25 {
			models = append(models, apitest.GPT(fmt.Sprintf("m-%d", i), object{"display_name": "Same"}))
		}
		c.CreateProvider(apitest.OpenAI(object{"models": models}))
		c.CreateProvider(apitest.OpenAI(object{"models": models}))
		for _, sort := range []string{"name", "-name", "created_at", "-created_at"} {
			ids := map[string]bool{}
			all := walk[apitest.Model](c, "/models?sort="+sort, 7)
			for _, m := range all {
				ids[m.ID] = true
			}
			if len(all) != 50 || len(ids) != 50 {
				t.Errorf("sort=%s: %d models are listed, %d different ones, not 50", sort, len(all), len(ids))
			}
		}
	})
}

func TestLimits(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		models := list{}
		for i := range 101 {
			models = append(models, apitest.GPT(fmt.Sprintf("m-%03d", i), nil))
		}
		p := c.CreateProvider(apitest.OpenAI(object{"models": models}))
		for _, path := range []string{"/models", p.Path() + "/models"} {
			for query, want := range map[string]int{"": 20, "?limit=1": 1, "?limit=20": 20, "?limit=100": 100} {
				var page apitest.Page[apitest.Model]
				c.Get(path + query).Is(http.StatusOK).Into(&page)
				if len(page.Data) != want || page.NextCursor == nil {
					t.Errorf("%s: the page holds %d, not %d, or is the last", path+query, len(page.Data), want)
				}
			}
		}
		for _, limit := range []string{"0", "-1", "101", "1000000", "99999999999999999999", "ten", "1.5", "1e1", "", "0x10", "%20", "5%20", "１０"} {
			for _, path := range []string{"/providers", "/models", p.Path() + "/models"} {
				c.Get(path+"?limit="+limit).Problem(http.StatusBadRequest, "malformed_request", "limit invalid")
			}
		}
		// A last page that is full is the last page.
		var page apitest.Page[apitest.Provider]
		if c.Get("/providers?limit=1").Is(http.StatusOK).Into(&page); page.NextCursor != nil || len(page.Data) != 1 {
			t.Errorf("the only page holds %d and has a next one: %t", len(page.Data), page.NextCursor != nil)
		}
	})
}

// A cursor stays valid while rows come and go: what stays is told exactly once.
func TestPagingWhileRowsChange(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		for _, sort := range []string{"name", "-name", "created_at", "-created_at"} {
			t.Run(sort, func(t *testing.T) {
				c := s.Workspace(t)
				byName := map[string]apitest.Provider{}
				for _, name := range []string{"b", "d", "f", "h", "j", "l", "n"} {
					byName[name] = c.CreateProvider(apitest.OpenAI(object{"name": name}))
				}
				var first apitest.Page[apitest.Provider]
				c.Get("/providers?limit=3&sort=" + sort).Is(http.StatusOK).Into(&first)
				shown := providerNames(first.Data)
				remaining := []string{}
				for name := range byName {
					if !slices.Contains(shown, name) {
						remaining = append(remaining, name)
					}
				}
				slices.Sort(remaining)

				c.Delete(byName[shown[2]].Path()).Is(http.StatusNoContent) // the row that the cursor stands on
				c.Delete(byName[shown[0]].Path()).Is(http.StatusNoContent)
				c.Delete(byName[remaining[1]].Path()).Is(http.StatusNoContent) // one that was not shown yet
				c.CreateProvider(apitest.OpenAI(object{"name": "a"}))
				c.CreateProvider(apitest.OpenAI(object{"name": "z"}))

				rest := providerNames(walk[apitest.Provider](c, "/providers?sort="+sort+"&cursor="+url.QueryEscape(*first.NextCursor), 100))
				for _, name := range rest {
					if slices.Contains(shown, name) {
						t.Errorf("%q is told twice", name)
					}
				}
				for _, name := range []string{remaining[0], remaining[2], remaining[3]} {
					if n := len(slices.DeleteFunc(slices.Clone(rest), func(r string) bool { return r != name })); n != 1 {
						t.Errorf("%q is told %d times in %q", name, n, rest)
					}
				}
				if slices.Contains(rest, remaining[1]) {
					t.Errorf("%q is told after it was deleted", remaining[1])
				}
				// The same cursor again brings the same rows again.
				wantList(t, "again", providerNames(walk[apitest.Provider](c, "/providers?sort="+sort+"&cursor="+url.QueryEscape(*first.NextCursor), 100)), rest...)
			})
		}
	})
}

// A cursor continues the list it is of, and no other.
func TestForeignCursor(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c, neighbour := s.Workspace(t), s.Workspace(t)
		models := list{apitest.GPT("a", nil), apitest.GPT("b", nil), apitest.GPT("c", nil)}
		p := c.CreateProvider(apitest.OpenAI(object{"name": "one", "models": models}))
		other := c.CreateProvider(apitest.OpenAI(object{"name": "two", "models": models}))
		cursor := func(c *apitest.Client, path string) string {
			t.Helper()
			var page apitest.Page[object]
			if c.Get(path).Is(http.StatusOK).Into(&page); page.NextCursor == nil {
				t.Fatalf("%s has no next page", path)
			}
			return url.QueryEscape(*page.NextCursor)
		}
		providers := cursor(c, "/providers?limit=1")
		c.Get("/providers?limit=50&cursor=" + providers).Is(http.StatusOK) // another size of page is fine
		c.Get("/providers?sort=name&cursor=" + providers).Is(http.StatusOK)
		refuse := func(c *apitest.Client, path string) {
			t.Helper()
			c.Get(path).Problem(http.StatusBadRequest, "malformed_request", "cursor invalid")
		}
		for _, query := range []string{"q=o", "type=openai", "status=active", "sort=-name", "sort=created_at"} {
			refuse(c, "/providers?"+query+"&cursor="+providers)
			refuse(c, "/providers?cursor="+cursor(c, "/providers?limit=1&"+query))
		}
		refuse(c, "/models?cursor="+providers)
		refuse(neighbour, "/providers?cursor="+providers)
		flat, nested := cursor(c, "/models?limit=1"), cursor(c, p.Path()+"/models?limit=1")
		refuse(c, "/providers?cursor="+flat)
		refuse(c, p.Path()+"/models?cursor="+flat)
		refuse(c, other.Path()+"/models?cursor="+nested)
		for _, query := range []string{"q=a", "stage=planning", "enabled=true", "provider_id=" + p.ID, "provider_type=openai", "provider_status=active", "available=true", "sort=-created_at"} {
			refuse(c, "/models?"+query+"&cursor="+flat)
		}
		c.Patch(p.Path(), object{"name": "three"}).Is(http.StatusOK)
		events := cursor(c, "/audit-events?limit=1")
		refuse(neighbour, "/audit-events?cursor="+events)
		refuse(c, "/audit-events?action=provider.update&cursor="+events)
		for range 2 {
			newToken(c, object{"name": "a", "role": "viewer"})
		}
		tokens := cursor(c, "/tokens?limit=1")
		refuse(neighbour, "/tokens?cursor="+tokens)
		refuse(c, "/audit-events?cursor="+tokens)
		raw, err := url.QueryUnescape(providers)
		if err != nil {
			t.Fatal(err)
		}
		forged := []string{"x", "AAAA", "null", "1", "eyJuIjoiYSJ9", raw + "x", raw[:len(raw)-1], raw[1:], raw + "=", raw + " ", strings.ToUpper(raw), raw + raw}
		for i := range raw {
			flipped := []byte(raw)
			flipped[i] = 'A'
			if raw[i] == 'A' {
				flipped[i] = 'B'
			}
			forged = append(forged, string(flipped))
		}
		for _, cursor := range forged {
			refuse(c, "/providers?cursor="+url.QueryEscape(cursor))
		}
		refuse(c, "/providers?cursor=")
		c.Get("/providers?cursor="+strings.Repeat("A", 5001)).Problem(http.StatusBadRequest, "malformed_request", "cursor too_long")
	})
}
