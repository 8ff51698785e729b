package registry

import (
	"context"

	"modelproviders/pkg/provider"
)

// Client returns the client that is kept for a provider.
func (r *Registry) Client(ctx context.Context, workspace, id string) (provider.Client, error) {
	p, err := r.Provider(ctx, workspace, id)
	if err != nil {
		return nil, err
	}
	client, end, err := r.clientOf(ctx, p)
	if err != nil {
		return nil, err
	}
	end()
	return client, nil
}

// Judge checks answers to the prompts of a stage.
func Judge(stage Stage, answers ...provider.Result) StageResult {
	var result StageResult
	result.judge(stageChecks()[stage], answers)
	return result
}

// CheckPrompts returns the prompts of the check of a stage.
func CheckPrompts(stage Stage) []provider.Prompt { return stageChecks()[stage].prompts }

// KeptClients counts the clients that are kept, and the calls that use them.
func (r *Registry) KeptClients() (clients, calls int) {
	for _, c := range r.clients.Values() {
		c.mu.Lock()
		calls += c.calls
		c.mu.Unlock()
	}
	return r.clients.Len(), calls
}

// KeepClients bounds the built clients that are kept.
func (r *Registry) KeepClients(most int) { r.clients.Resize(most) }

// DueAfter returns when a provider is due.
var DueAfter = dueAfter
