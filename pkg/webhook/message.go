package webhook

import (
	"encoding/json"
	"time"

	"modelproviders/pkg/provider"
	"modelproviders/pkg/registry"
)

// message is the body of a webhook. docs/operations.md describes it.
type message struct {
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"` // of the change
	Data      data      `json:"data"`
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
	text, _ := json.Marshal(message{Type: string(c.Resource) + ".status_changed", Timestamp: c.At.UTC(), Data: data{
		Workspace: c.Workspace, Number: c.Number, ID: c.ResourceID, ProviderID: c.ProviderID, Status: c.Status,
		Kind: c.Kind, Hint: provider.Hint(provider.FailureKind(c.Kind)), ReferenceCount: c.References,
	}}) // strings and numbers only
	return text
}
