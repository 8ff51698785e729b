package registry

import (
	"context"
	"errors"
	"slices"
	"strings"

	"modelproviders/pkg/audit"
	"modelproviders/pkg/fault"
	"modelproviders/pkg/provider"
)

// AvailableModels is what an upstream offers.
type AvailableModels struct {
	Models    []AvailableModel // ordered by ModelID
	Supported bool             // false: the upstream has no such list
	Truncated bool             // there are more than were read
}

// AvailableModel is one model that an upstream offers.
type AvailableModel struct {
	provider.DiscoveredModel
	Added bool // a model of the provider already
}

// AvailableModels asks a provider's upstream which models it offers; search is
// a substring of id or name, without regard to case. The outcome sets or clears
// the provider's error as a test does. It returns not_found and
// upstream_failed.
func (r *Registry) AvailableModels(ctx context.Context, workspace, id, search string) (AvailableModels, error) {
	p, err := r.Provider(ctx, workspace, id)
	if err != nil {
		return AvailableModels{}, err
	}
	client, end, err := r.clientOf(p)
	if err != nil {
		return AvailableModels{}, err
	}
	defer end()
	event := p.event(audit.ProviderDiscover)
	found, failure, err := r.discover(ctx, workspace, client)
	if err != nil {
		return AvailableModels{}, r.recordAbandoned(ctx, event, err)
	}
	success := found.Supported && failure == nil // else nothing was asked
	if err := r.recordCall(ctx, p, Call{Success: success}, event, failure); err != nil {
		return AvailableModels{}, err
	}
	return available(found, failure, search, p.Models)
}

// AvailableModelsOfType asks for settings of a type that are not saved. It
// stores only an event. It returns not_found for an unknown type,
// validation_failed and upstream_failed.
func (r *Registry) AvailableModelsOfType(ctx context.Context, workspace, typeName string, draft Draft, search string) (AvailableModels, error) {
	client, err := r.openDraft(typeName, draft, "Models not listed")
	if err != nil {
		return AvailableModels{}, err
	}
	defer client.Close()
	event := typeEvent(workspace, typeName, audit.ProviderDiscover)
	found, failure, err := r.discover(ctx, workspace, client)
	if err != nil {
		return AvailableModels{}, r.recordAbandoned(ctx, event, err)
	}
	if err := r.audit.Record(context.WithoutCancel(ctx), failed(event, failure)); err != nil {
		return AvailableModels{}, err
	}
	return available(found, failure, search, nil)
}

// discover asks for models, which counts as a test. See [Registry.callUpstream].
func (r *Registry) discover(ctx context.Context, workspace string, client provider.Client) (found provider.Discovery, failure *provider.Failure, err error) {
	var failed error
	err = r.callUpstream(ctx, workspace, func(ctx context.Context) { found, failed = client.Models(ctx) })
	if err == nil && failed != nil && !errors.As(failed, &failure) {
		err = fault.Wrap(fault.Internal, failed, "The provider's models could not be read.")
	}
	return found, failure, err
}

// available is the answer to a discovery. It returns upstream_failed.
func available(found provider.Discovery, failure *provider.Failure, search string, added []Model) (AvailableModels, error) {
	if failure != nil {
		err := fault.New(fault.UpstreamFailed, "The provider did not return a list of models: %s", failure.Message)
		err.Upstream = &fault.Upstream{Kind: string(failure.Kind), Message: failure.Message, HTTPStatus: failure.HTTPStatus, Hint: failure.Hint}
		return AvailableModels{}, err
	}
	out := AvailableModels{Models: []AvailableModel{}, Supported: found.Supported, Truncated: found.Truncated}
	search = Fold(search)
	for _, m := range found.Models {
		if !strings.Contains(Fold(m.ModelID), search) && !strings.Contains(Fold(m.DisplayName), search) {
			continue
		}
		isAdded := slices.ContainsFunc(added, func(have Model) bool { return have.ModelID == m.ModelID })
		out.Models = append(out.Models, AvailableModel{DiscoveredModel: m, Added: isAdded})
	}
	return out, nil
}
