package provider

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
)

// bedrockControl is the base URL of the control plane of a region. Its host is named
// like that of the runtime in all partitions.
func bedrockControl(region string) (string, error) {
	parameters := bedrockruntime.EndpointParameters{Region: &region}
	runtime, err := bedrockruntime.NewDefaultEndpointResolverV2().ResolveEndpoint(context.Background(), parameters.WithDefaults())
	if err != nil {
		return "", fmt.Errorf("find Amazon Bedrock in region %s: %w", region, err)
	}
	return "https://" + strings.Replace(runtime.URI.Host, "bedrock-runtime.", "bedrock.", 1), nil
}

// models lists what can be called by id in the region: the foundation models
// that answer on demand, and the inference profiles. Each list has an action of
// its own in IAM; if one is refused, the result has the other one.
func (b *bedrockUpstream) models(ctx context.Context) (Discovery, error) {
	var d Discovery
	var refused *Failure
	for _, list := range []func(context.Context) (Discovery, error){b.foundationModels, b.inferenceProfiles} {
		found, err := list(ctx)
		switch f := b.withheld(ctx, err); {
		case err == nil:
			d = Discovery{Supported: true, Truncated: found.Truncated, Models: append(d.Models, found.Models...)}
		case f == nil:
			return Discovery{}, err
		case refused == nil || isAbsent(refused.HTTPStatus): // the other list may only be withheld
			refused = f
		}
	}
	if !d.Supported {
		return Discovery{}, refused
	}
	return d, nil
}

// withheld is the failure of a list that the access key may not read, or that does
// not exist; nil for any other error. The account may still call its models.
func (b *bedrockUpstream) withheld(ctx context.Context, err error) *Failure {
	if err == nil {
		return nil
	}
	f := b.explain(ctx, "", err)
	switch ofList := asFailure(err) == nil; { // else the role was not assumed
	case ofList && f.Kind == Permission:
		f.scope = byKind
		f.Hint = "To list models, allow " + b.caller + " the actions `bedrock:ListFoundationModels` and `bedrock:ListInferenceProfiles` in IAM. Calling a model by its ID does not need these permissions."
	case !ofList || !isAbsent(f.HTTPStatus):
		return nil
	}
	return f
}

// foundationModels lists the models that answer on demand.
// Source: Amazon Bedrock API reference, "ListFoundationModels".
func (b *bedrockUpstream) foundationModels(ctx context.Context) (d Discovery, err error) {
	var list struct {
		Models []struct {
			ID             string   `json:"modelId"`
			Name           string   `json:"modelName"`
			Maker          string   `json:"providerName"`
			InferenceTypes []string `json:"inferenceTypesSupported"`
		} `json:"modelSummaries"`
	}
	if err := b.list(ctx, b.control+"/foundation-models?byOutputModality=TEXT", &list); err != nil {
		return d, err
	}
	if list.Models == nil {
		return d, errNoList
	}
	for _, m := range list.Models {
		if slices.Contains(m.InferenceTypes, "ON_DEMAND") {
			d.Models = append(d.Models, DiscoveredModel{ModelID: m.ID, DisplayName: strings.TrimSpace(m.Maker + " " + m.Name)})
		}
	}
	return d, nil
}

// inferenceProfiles lists the inference profiles: AWS's by id, and the account's own by
// ARN, since their ids are not readable.
// Source: Amazon Bedrock API reference, "ListInferenceProfiles".
func (b *bedrockUpstream) inferenceProfiles(ctx context.Context) (Discovery, error) {
	type list struct {
		Profiles []struct {
			ID   string `json:"inferenceProfileId"`
			ARN  string `json:"inferenceProfileArn"`
			Name string `json:"inferenceProfileName"`
			Type string `json:"type"`
		} `json:"inferenceProfileSummaries"`
		NextToken string `json:"nextToken"`
	}
	address := b.control + "/inference-profiles?maxResults=" + strconv.Itoa(MaxDiscovered)
	return readPages(ctx, b.service, address, "nextToken", func(page list) (found []DiscoveredModel, next string, err error) {
		for _, p := range page.Profiles {
			if p.Type != "APPLICATION" {
				p.ARN = ""
			}
			found = append(found, DiscoveredModel{ModelID: cmp.Or(p.ARN, p.ID), DisplayName: p.Name})
		}
		return found, page.NextToken, nil
	})
}
