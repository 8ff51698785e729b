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
	found, failure, err := r.discover(ctx, workspace, client)
	if err != nil {
		return AvailableModels{}, r.recordAbandoned(ctx, workspace, p.ID, audit.ProviderDiscover, p.target(), err)
	}
	success := found.Supported && failure == nil // else nothing was asked
	if err := r.recordCall(ctx, p, Call{Success: success}, audit.ProviderDiscover, p.target(), failure); err != nil {
		return AvailableModels{}, err
	}
	if failure != nil {
		return AvailableModels{}, upstreamFailed(failure)
	}
	return available(found, search, p.Models), nil
}

// AvailableModelsOfType asks for settings of a type that are not saved. It
// stores nothing. It returns not_found for an unknown type, validation_failed
// and upstream_failed.
func (r *Registry) AvailableModelsOfType(ctx context.Context, workspace, typeName string, request provider.Request, problems fault.Problems, search string) (AvailableModels, error) {
	typ, ok := provider.Lookup(typeName)
	if !ok {
		return AvailableModels{}, noType(typeName)
	}
	settings, more := typ.Read(request, provider.Stored{})
	defer wipe(settings.Credentials)
	problems.Add(more)
	if err := problems.Err("Models not listed"); err != nil {
		return AvailableModels{}, err
	}
	client, err := r.openClient(typeName, settings.Credentials, settings.Config, nil)
	if err != nil {
		return AvailableModels{}, err
	}
	defer client.Close()
	found, failure, err := r.discover(ctx, workspace, client)
	if err != nil {
		return AvailableModels{}, r.recordAbandoned(ctx, workspace, "", audit.ProviderDiscover, typeTarget(typeName), err)
	}
	if err := r.audit.Record(context.WithoutCancel(ctx), callEvent(workspace, "", audit.ProviderDiscover, typeTarget(typeName), failure)); err != nil {
		return AvailableModels{}, err
	}
	if failure != nil {
		return AvailableModels{}, upstreamFailed(failure)
	}
	return available(found, search, nil), nil
}

// discover asks the upstream as generate does, and counts as a test. A caller
// that went away is an error, not a failure.
func (r *Registry) discover(ctx context.Context, workspace string, client provider.Client) (provider.Discovery, *provider.Failure, error) {
	leave, err := r.limiter.Test(workspace)
	if err != nil {
		return provider.Discovery{}, nil, err
	}
	defer leave()
	bounded, cancel := context.WithTimeout(ctx, r.testTimeout)
	defer cancel()
	found, err := client.Models(bounded)
	if gone := ctx.Err(); gone != nil {
		return provider.Discovery{}, nil, gone
	}
	var failure *provider.Failure
	if err != nil && !errors.As(err, &failure) {
		return provider.Discovery{}, nil, fault.Wrap(fault.Internal, err, "The provider's models could not be read.")
	}
	return found, failure, nil
}

func available(found provider.Discovery, search string, added []Model) AvailableModels {
	out := AvailableModels{Models: []AvailableModel{}, Supported: found.Supported, Truncated: found.Truncated}
	search = Fold(search)
	for _, m := range found.Models {
		if !strings.Contains(Fold(m.ModelID), search) && !strings.Contains(Fold(m.DisplayName), search) {
			continue
		}
		isAdded := slices.ContainsFunc(added, func(have Model) bool { return have.ModelID == m.ModelID })
		out.Models = append(out.Models, AvailableModel{DiscoveredModel: m, Added: isAdded})
	}
	return out
}

func upstreamFailed(f *provider.Failure) error {
	err := fault.New(fault.UpstreamFailed, "The provider did not answer with a list of models: %s", f.Message)
	err.Upstream = &fault.Upstream{Kind: string(f.Kind), Message: f.Message, HTTPStatus: f.HTTPStatus, Hint: f.Hint}
	return err
}
