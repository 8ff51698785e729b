package webhook

import (
	"encoding/json"

	"modelproviders/pkg/provider"
	"modelproviders/pkg/registry"
)

// message is the body of a webhook. docs/operations.md describes it.
type message struct {
	Type      string `json:"type"`
	Timestamp string `json:"timestamp"` // of the change, as in the API
	Data      data   `json:"data"`
}

// data names a provider or a model as `GET /changes` does. It contains nothing that a
// provider said.
type data struct {
	Workspace      string `json:"workspace"`
	Number         int64  `json:"number"`
	ID             string `json:"id"`
	ProviderID     string `json:"provider_id"`
	Status         string `json:"status"`
	Kind           string `json:"kind,omitempty"`
	Hint           string `json:"hint,omitempty"`
	ReferenceCount int    `json:"reference_count"`
}

// body returns the message about a change.
func body(c registry.Change) []byte {
	m := message{Type: string(c.Resource) + ".status_changed", Timestamp: c.At.UTC().Format("2006-01-02T15:04:05.000Z")}
	m.Data = data{
		Workspace: c.Workspace, Number: c.Number, ID: c.ResourceID, ProviderID: c.ProviderID, Status: c.Status,
		Kind: c.Kind, Hint: provider.Hint(provider.FailureKind(c.Kind)), ReferenceCount: c.References,
	}
	text, _ := json.Marshal(m) // strings and numbers only
	return text
}
