package provider

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/bedrock"
	"github.com/aws/aws-sdk-go-v2/service/bedrock/types"
)

// models lists what can be called by id in the region: the foundation models
// that answer on demand, and the inference profiles. Either list has an action
// of its own in IAM; where one is refused the other still counts.
func (b *bedrockUpstream) models(ctx context.Context) (Discovery, error) {
	found, err := b.foundationModels(ctx)
	if err != nil && !refused(err) {
		return Discovery{}, err
	}
	profiles, more, profileErr := b.inferenceProfiles(ctx)
	switch {
	case profileErr != nil && !refused(profileErr):
		return Discovery{}, profileErr
	case err != nil && profileErr != nil:
		return Discovery{}, err
	}
	return Discovery{Supported: true, Truncated: more, Models: append(found, profiles...)}, nil
}

// refused reports whether a list is withheld from the access key: that is no
// fault of the account, which may well call its models.
func refused(err error) bool {
	f := asFailure(err)
	return f != nil && f.Kind == Permission
}

// discoveryFailure explains an error of the control plane. A missing permission
// there never speaks of the account.
func (b *bedrockUpstream) discoveryFailure(ctx context.Context, err error) *Failure {
	f := b.failure(ctx, err, "")
	if f.Kind == Permission {
		f.Account = false
		f.Hint = "Allow the access key's user `bedrock:ListFoundationModels` and `bedrock:ListInferenceProfiles` in IAM to list models; calling a model by its id does not need them."
	}
	return f
}

func (b *bedrockUpstream) foundationModels(ctx context.Context) ([]DiscoveredModel, error) {
	out, err := b.control.ListFoundationModels(ctx, &bedrock.ListFoundationModelsInput{ByOutputModality: types.ModelModalityText})
	if err != nil {
		return nil, b.discoveryFailure(ctx, err)
	}
	// The SDK makes an empty list of an empty body.
	if out.ModelSummaries == nil {
		return nil, b.discoveryFailure(ctx, errNoList)
	}
	var found []DiscoveredModel
	for _, m := range out.ModelSummaries {
		if slices.Contains(m.InferenceTypesSupported, types.InferenceTypeOnDemand) {
			name := strings.TrimSpace(aws.ToString(m.ProviderName) + " " + aws.ToString(m.ModelName))
			found = append(found, DiscoveredModel{ModelID: aws.ToString(m.ModelId), DisplayName: name})
		}
	}
	return found, nil
}

// inferenceProfiles lists the profiles of AWS by id and those of the account,
// whose ids say nothing, by ARN. It reports whether there are more.
func (b *bedrockUpstream) inferenceProfiles(ctx context.Context) ([]DiscoveredModel, bool, error) {
	var found []DiscoveredModel
	input := &bedrock.ListInferenceProfilesInput{MaxResults: aws.Int32(MaxDiscovered)}
	for range maxDiscoveryPages {
		out, err := b.control.ListInferenceProfiles(ctx, input)
		if err != nil {
			return nil, false, b.discoveryFailure(ctx, err)
		}
		for _, p := range out.InferenceProfileSummaries {
			id := aws.ToString(p.InferenceProfileId)
			if p.Type == types.InferenceProfileTypeApplication {
				id = aws.ToString(p.InferenceProfileArn)
			}
			found = append(found, DiscoveredModel{ModelID: id, DisplayName: aws.ToString(p.InferenceProfileName)})
		}
		if aws.ToString(out.NextToken) == "" {
			return found, false, nil
		}
		if len(found) > MaxDiscovered {
			break
		}
		input.NextToken = out.NextToken
	}
	return found, true, nil
}
