package client_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"modelproviders/pkg/client"
	"modelproviders/pkg/provider/providertest"
)

// streaming returns a client and the id of a model of a fake.
func streaming(t *testing.T) (c *client.Client, modelID string, fake *providertest.Server) {
	t.Helper()
	fake = providertest.Start(t, providertest.OpenAI())
	c = connect(t, serve(t, fake))
	provider := openAI("OpenAI")
	provider.Credentials = fake.Credentials
	provider.Models = []client.ModelCreate{gpt(fake.ModelID)}
	p := must(c.CreateProvider(t.Context(), provider))(t)
	return c, p.Models[0].ID, fake
}

func TestStream(t *testing.T) {
	c, model, fake := streaming(t)
	stream := must(c.StreamTestModel(t.Context(), model, client.TestRequest{Prompt: "Hi"}))(t)
	var pieces []string
	for delta := range stream.Events() {
		pieces = append(pieces, delta.Text)
	}
	result := must(stream.Result())(t)
	if len(pieces) < 2 || strings.Join(pieces, "") != providertest.Text || result.Response != providertest.Text || result.TimeToFirstTokenMS == 0 && result.LatencyMS > 50 {
		t.Errorf("the answer is %q, the result %+v", pieces, result)
	}
	for range stream.Events() {
		t.Error("there are events after the end")
	}

	fake.Use(providertest.Authentication)
	result = must(must(c.StreamTestModel(t.Context(), model, client.TestRequest{Prompt: "Hi"}))(t).Result())(t)
	if result.Status != client.TestStatusFailed || result.Error == nil || result.Error.Kind != client.FailureKindAuthentication {
		t.Errorf("a test that fails is %+v", result)
	}
	if _, err := c.StreamTestModel(t.Context(), model, client.TestRequest{}); !errors.Is(err, client.ProblemCodeValidationFailed) {
		t.Errorf("a test without a prompt: %v", err)
	}
}

func TestStreamOfSeveralModels(t *testing.T) {
	c, model, fake := streaming(t)
	m := must(c.GetModel(t.Context(), model))(t)
	must(c.CreateModel(t.Context(), m.ProviderID, gpt("no-such-model")))(t)
	stream := must(c.StreamTestModels(t.Context(), m.ProviderID, client.ModelsTestRequest{Prompt: "Hi"}))(t)
	var models []string
	for result := range stream.Events() {
		models = append(models, result.ModelID)
		break // Result reads the rest
	}
	summary := must(stream.Result())(t)
	if len(models) != 1 || summary.Succeeded != 1 || summary.Failed != 1 || !slices.Contains([]string{fake.ModelID, "no-such-model"}, models[0]) {
		t.Errorf("tested are %q, the summary is %+v", models, summary)
	}
}

// TestStreamEndsEarly: a test that nobody waits for is canceled at the provider.
func TestStreamEndsEarly(t *testing.T) {
	c, model, fake := streaming(t)
	fake.Use(providertest.Stall)
	for name, end := range map[string]func(*client.TestStream, context.CancelFunc){
		"canceled": func(_ *client.TestStream, cancel context.CancelFunc) { cancel() },
		"closed":   func(stream *client.TestStream, _ context.CancelFunc) { check(t, stream.Close()) },
	} {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		stream := must(c.StreamTestModel(ctx, model, client.TestRequest{Prompt: "Hi"}))(t)
		for range stream.Events() {
			end(stream, cancel)
		}
		if _, err := stream.Result(); err == nil || name == "canceled" && !errors.Is(err, context.Canceled) {
			t.Errorf("a %s stream: %v", name, err)
		}
		select {
		case <-fake.Left():
		case <-time.After(10 * time.Second):
			t.Errorf("the call to the provider goes on after the stream was %s", name)
		}
	}
}

func TestStreamBreaks(t *testing.T) {
	for name, row := range map[string]struct {
		events string
		is     func(error) bool
	}{
		"without a result": {"event: delta\ndata: {\"text\":\"He\"}\n\n", func(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) }},
		"with a problem": {": beat\n\nevent: error\ndata: {\"code\":\"unauthenticated\",\"status\":401,\"detail\":\"The token was revoked.\"}\n\n",
			func(err error) bool { return errors.Is(err, client.ProblemCodeUnauthenticated) }},
		"with no JSON":           {"event: delta\ndata: He\n\n", func(err error) bool { return err != nil }},
		"after an unknown event": {"event: hint\ndata: 1\n\nevent: result\ndata: {\"status\":\"success\"}\n\n", func(err error) bool { return err == nil }},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, row.events)
		}))
		defer s.Close()
		stream := must(must(client.New(s.URL, ""))(t).StreamTestModel(t.Context(), "1", client.TestRequest{Prompt: "Hi"}))(t)
		if _, err := stream.Result(); !row.is(err) {
			t.Errorf("a stream that ends %s: %v", name, err)
		}
	}
}
