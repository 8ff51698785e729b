package client_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"modelproviders/pkg/client"
)

func TestProblem(t *testing.T) {
	c := connect(t, serve(t, nil))
	_, err := c.CreateProvider(t.Context(), client.ProviderCreate{Name: "OpenAI", Type: client.ProviderTypeNameOpenAI,
		Credentials: client.OpenAICredentials{}, Models: []client.ModelCreate{{ModelID: "gpt-4o"}}})
	var problem *client.Problem
	if !errors.As(err, &problem) {
		t.Fatal("no problem but ", err)
	}
	if problem.Status != http.StatusUnprocessableEntity || problem.Code != client.ProblemCodeValidationFailed || problem.RequestID == "" || len(problem.Errors) != 2 {
		t.Errorf("the problem is %+v", problem)
	}
	if !errors.Is(err, client.ProblemCodeValidationFailed) || errors.Is(err, client.ProblemCodeNotFound) {
		t.Error("the code is not compared")
	}
	for _, part := range []string{"422 validation_failed", problem.RequestID, "credentials.api_key is required", "models[0].supported_stages"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not in %q", part, err)
		}
	}
}

func TestStaleVersion(t *testing.T) {
	c := connect(t, serve(t, nil))
	p := must(c.CreateProvider(t.Context(), openAI("OpenAI")))(t)
	edited := must(c.UpdateProvider(t.Context(), p.ID, client.ProviderUpdate{Name: "One", Version: p.Version}))(t)
	if _, err := c.UpdateProvider(t.Context(), p.ID, client.ProviderUpdate{Name: "Two", Version: p.Version}); !errors.Is(err, client.ProblemCodeVersionMismatch) {
		t.Errorf("an edit of an old version: %v", err)
	}
	if err := c.DeleteProvider(t.Context(), p.ID, client.IfVersion(p.Version)); !errors.Is(err, client.ProblemCodeVersionMismatch) {
		t.Errorf("the deletion of an old version: %v", err)
	}
	check(t, c.DeleteProvider(t.Context(), p.ID, client.IfVersion(edited.Version)))
}

// TestForeignAnswers: answers that are not from the service.
func TestForeignAnswers(t *testing.T) {
	page := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(status)
			_, _ = w.Write([]byte("<html>token: mp_token</html>"))
		}
	}
	for _, status := range []int{http.StatusOK, http.StatusBadGateway} {
		s := httptest.NewServer(page(status))
		defer s.Close()
		c := must(client.New(s.URL, "mp_token"))(t)
		_, err := c.GetMe(t.Context())
		if err == nil || !strings.Contains(err.Error(), s.URL+"/me") || strings.Contains(err.Error(), "mp_token") {
			t.Errorf("a page with status %d: %v", status, err)
		}
		var problem *client.Problem
		if errors.As(err, &problem) != (status != http.StatusOK) || problem != nil && (problem.Status != int64(status) || problem.Code != "") {
			t.Errorf("a page with status %d is the problem %+v", status, problem)
		}
	}
}
