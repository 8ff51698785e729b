package provider

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"slices"

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
		return Discovery{}, o.refused(ctx, Prompt{}, body)
	}
	if err != nil {
		return Discovery{}, o.explain(ctx, Prompt{}, err)
	}
	list, err := parseModelList(body)
	if err != nil {
		return Discovery{}, o.explain(ctx, Prompt{}, err)
	}
	d := Discovery{Supported: true}
	for _, m := range list {
		if usable == nil || usable(m) {
			d.Models = append(d.Models, DiscoveredModel{ModelID: m.id(), DisplayName: m.displayName()})
		}
	}
	return d, nil
}

// unlessAbsent is a discovery where a server without a list of models is no
// failure.
func unlessAbsent(ctx context.Context, d Discovery, err error) (Discovery, error) {
	if c := lastCall(ctx); err != nil && c != nil && isAbsent(c.status) {
		return Discovery{}, nil
	}
	return d, err
}

// isAbsent reports whether the status says that there is no such list.
func isAbsent(status int) bool {
	return status == http.StatusNotFound || status == http.StatusMethodNotAllowed || status == http.StatusNotImplemented
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
	} `json:"capabilities"`
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
		if json.Unmarshal(body, &envelope) != nil || (envelope.Data == nil && envelope.Models == nil) {
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
