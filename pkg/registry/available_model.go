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

// AvailableModels asks a provider's upstream which models it offers; search is a
// substring of id or name, without regard to case. Without settings in the draft, the
// outcome sets or clears the provider's error as a test does; otherwise it stores only
// an event. It returns not_found, malformed_request, validation_failed,
// credentials_required, rate_limited and upstream_failed.
func (r *Registry) AvailableModels(ctx context.Context, workspace, id string, draft Draft, search string) (AvailableModels, error) {
	c, err := r.connect(ctx, workspace, id, draft, audit.ProviderDiscover, "Models not listed")
	if err != nil {
		return AvailableModels{}, err
	}
	return r.discover(ctx, c, search)
}

// AvailableModelsOfType asks for unsaved settings of a type. It stores only an event.
// It returns not_found for an unknown type, malformed_request, validation_failed,
// rate_limited and upstream_failed.
func (r *Registry) AvailableModelsOfType(ctx context.Context, workspace, typeName string, draft Draft, search string) (AvailableModels, error) {
	c, err := r.connectType(workspace, typeName, draft, audit.ProviderDiscover, "Models not listed")
	if err != nil {
		return AvailableModels{}, err
	}
	return r.discover(ctx, c, search)
}

// discover counts as a test. See [Registry.callUpstream].
func (r *Registry) discover(ctx context.Context, c connection, search string) (AvailableModels, error) {
	defer c.end()
	var found provider.Discovery
	var failure *provider.Failure
	var failed error
	err := r.callUpstream(ctx, c.event.Workspace, c.client, OperationDiscovery, func(ctx context.Context) *provider.Failure {
		found, failed = c.client.Models(ctx)
		errors.As(failed, &failure)
		return failure
	})
	if err != nil {
		return AvailableModels{}, r.recordAbandoned(ctx, c.event, err)
	}
	if failed != nil && failure == nil {
		return AvailableModels{}, fault.Wrap(fault.Internal, failed, "The provider's models could not be read.")
	}
	if err := r.recordOutcome(ctx, c, Call{Success: found.Supported}, failure); err != nil {
		return AvailableModels{}, err
	}
	return available(found, failure, search, c.provider.Models)
}

// available is the answer to a discovery. It returns upstream_failed.
func available(found provider.Discovery, failure *provider.Failure, search string, added []Model) (AvailableModels, error) {
	if failure != nil {
		err := fault.New(fault.UpstreamFailed, "The models could not be listed. %s", failure.Message)
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
