package provider

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"time"
)

// models requests the list of models. The error is a *Failure.
func (o *openAIChat) models(ctx context.Context) (Discovery, error) {
	var body json.RawMessage
	err := o.list(ctx, o.base+o.versioned("/models"), &body)
	var models []DiscoveredModel
	if err == nil {
		models, err = parseModelList(body, o.usable)
	}
	if err != nil {
		return Discovery{}, o.explain(ctx, "", err)
	}
	return Discovery{Supported: true, Models: models}, nil
}

// isAbsent reports whether the status says that there is no such list.
func isAbsent(status int) bool {
	return status == http.StatusNotFound || status == http.StatusMethodNotAllowed
}

// listedModel is an entry of a list of models. OpenAI's entries have only an id; others
// also have a name, or only a name.
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

// answersChat reports whether the model answers chats, as far as Azure says.
func (m listedModel) answersChat() bool {
	is := func(capability *bool) bool { return capability == nil || *capability }
	ends := m.Deprecation.Inference
	return is(m.Capabilities.ChatCompletion) && is(m.Capabilities.Inference) &&
		(m.Status == "" || m.Status == "succeeded") && (ends == 0 || ends > time.Now().Unix())
}

// parseModelList reads a list of models: OpenAI's {"data":[…]}, Ollama's
// {"models":[…]}, or a bare array. An empty list may be null, as Go's servers
// write it. It ignores entries in other formats.
func parseModelList(body []byte, usable func(listedModel) bool) ([]DiscoveredModel, error) {
	var envelope struct {
		Data   json.RawMessage `json:"data"`
		Models json.RawMessage `json:"models"`
	}
	lists := []json.RawMessage{body}
	if json.Unmarshal(body, &envelope) == nil {
		lists = []json.RawMessage{envelope.Data, envelope.Models}
	}
	isList := false
	var models []DiscoveredModel
	for _, list := range lists {
		var entries []json.RawMessage
		if list == nil || json.Unmarshal(list, &entries) != nil {
			continue
		}
		isList = true
		for _, entry := range entries {
			var m listedModel
			if json.Unmarshal(entry, &m) == nil && (usable == nil || usable(m)) {
				models = append(models, DiscoveredModel{ModelID: cmp.Or(m.ID, m.Model, m.Name), DisplayName: cmp.Or(m.DisplayName, m.Name)})
			}
		}
	}
	if !isList {
		return nil, errNoList
	}
	return models, nil
}
