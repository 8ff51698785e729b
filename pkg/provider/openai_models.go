package provider

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

// models asks for the list of models. usable says which entries to keep; nil
// keeps all.
func (o *openAIChat) models(ctx context.Context, usable func(listedModel) bool, opts ...option.RequestOption) (Discovery, error) {
	var body []byte
	service := openai.NewModelService(o.options...)
	_, err := service.List(ctx, append(opts, option.WithResponseBodyInto(&body))...)
	c := lastCall(ctx)
	if err == nil && c.status >= 300 {
		err = errNoAnswer
	}
	if err == nil && holdsError(body) {
		err = answerError(problemOf(body))
	}
	if err != nil {
		return Discovery{}, o.tables.explain(ctx, "", err)
	}
	list, err := parseModelList(body)
	if err != nil {
		return Discovery{}, o.tables.explain(ctx, "", err)
	}
	d := Discovery{Supported: true}
	for _, m := range list {
		if usable == nil || usable(m) {
			d.Models = append(d.Models, DiscoveredModel{ModelID: m.id(), DisplayName: m.displayName()})
		}
	}
	return d, nil
}

// isEmptyList reports whether a list of models is null, as Go's servers write an
// empty one.
func isEmptyList(body []byte) bool {
	var envelope map[string]json.RawMessage
	if json.Unmarshal(body, &envelope) != nil {
		return false
	}
	return string(envelope["data"]) == "null" || string(envelope["models"]) == "null"
}

// isAbsent reports whether the status says that there is no such list.
func isAbsent(status int) bool {
	return status == http.StatusNotFound || status == http.StatusMethodNotAllowed
}

// listedModel is one entry of a list of models. OpenAI's have an id alone;
// others add a name, or have nothing but that.
type listedModel struct {
	ID           string `json:"id"`
	Name         string `json:"name"`
	DisplayName  string `json:"display_name"`
	Model        string `json:"model"`
	Capabilities struct {
		ChatCompletion *bool `json:"chat_completion"` // Azure's; nil: unknown
		Inference      *bool `json:"inference"`
	} `json:"capabilities"`
	Status      string `json:"status"`
	Deprecation struct {
		Inference int64 `json:"inference"` // Unix time from which it does not answer
	} `json:"deprecation"`
}

// answersChat reports whether nothing that Azure says of the model keeps it from
// answering a chat.
func (m listedModel) answersChat() bool {
	is := func(capability *bool) bool { return capability == nil || *capability }
	ends := m.Deprecation.Inference
	return is(m.Capabilities.ChatCompletion) && is(m.Capabilities.Inference) &&
		(m.Status == "" || m.Status == "succeeded") && (ends == 0 || ends > time.Now().Unix())
}

func (m listedModel) id() string { return cmp.Or(m.ID, m.Model, m.Name) }

func (m listedModel) displayName() string { return cmp.Or(m.DisplayName, m.Name) }

// parseModelList reads a list of models: OpenAI's {"data":[…]}, Ollama's
// {"models":[…]}, or a bare array. Entries of another form are passed over.
func parseModelList(body []byte) ([]listedModel, error) {
	var envelope struct {
		Data   []json.RawMessage `json:"data"`
		Models []json.RawMessage `json:"models"`
	}
	var entries []json.RawMessage
	if json.Unmarshal(body, &entries) != nil || entries == nil {
		if json.Unmarshal(body, &envelope) != nil {
			return nil, errNoAnswer
		}
		if envelope.Data == nil && envelope.Models == nil && !isEmptyList(body) {
			return nil, errNoAnswer
		}
		entries = slices.Concat(envelope.Data, envelope.Models)
	}
	list := make([]listedModel, 0, len(entries))
	for _, entry := range entries {
		var m listedModel
		if json.Unmarshal(entry, &m) != nil {
			continue
		}
		list = append(list, m)
	}
	return list, nil
}
