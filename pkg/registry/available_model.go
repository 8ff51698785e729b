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

// AvailableModels asks an upstream which models it offers; search is a substring of id or
// name, without regard to case. For a stored provider without settings in the draft, the
// outcome sets or clears the provider's error as a test does; otherwise it stores only an
// event. It returns not_found, malformed_request, validation_failed, credentials_required,
// rate_limited and upstream_failed.
func (r *Registry) AvailableModels(ctx context.Context, workspace string, draft Draft, search string) (AvailableModels, error) {
	c, err := r.connect(ctx, workspace, draft, audit.ProviderDiscover, "Models not listed")
	if err != nil {
		return AvailableModels{}, err
	}
	defer c.end()
	var found provider.Discovery
	var failure *provider.Failure
	err = r.call(ctx, c, OperationDiscovery, func(ctx context.Context) (Call, *provider.Failure) {
		found, err = c.client.Models(ctx)
		errors.As(err, &failure)
		return Call{Success: found.Supported}, failure
	})
	if err != nil {
		return AvailableModels{}, err
	}
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
		added := slices.ContainsFunc(c.provider.Models, func(have Model) bool { return have.ModelID == m.ModelID })
		out.Models = append(out.Models, AvailableModel{DiscoveredModel: m, Added: added})
	}
	return out, nil
}
