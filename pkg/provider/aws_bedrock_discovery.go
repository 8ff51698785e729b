package provider

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
)

// bedrockControl is the base URL of a region's control plane. In every partition
// its host is named as the runtime's is.
func bedrockControl(region string) (string, error) {
	parameters := bedrockruntime.EndpointParameters{Region: &region}
	runtime, err := bedrockruntime.NewDefaultEndpointResolverV2().ResolveEndpoint(context.Background(), parameters.WithDefaults())
	if err != nil {
		return "", fmt.Errorf("find Amazon Bedrock in region %s: %w", region, err)
	}
	return "https://" + strings.Replace(runtime.URI.Host, "bedrock-runtime.", "bedrock.", 1), nil
}

// list asks the control plane for a list, with the SDK's signature but without
// its package for the control plane, which is four times the size of the one for
// prompts.
func (b *bedrockUpstream) list(ctx context.Context, path string, query url.Values, into any) error {
	req, err := newRequest(ctx, http.MethodGet, b.control+path+"?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	keys, err := b.creds.Retrieve(ctx)
	if err != nil {
		return err
	}
	empty := sha256.Sum256(nil)
	if err := v4.NewSigner().SignHTTP(ctx, keys, req, hex.EncodeToString(empty[:]), "bedrock", b.region, time.Now()); err != nil {
		return fmt.Errorf("sign request: %w", err)
	}
	res, err := send(b.http, req)
	if err != nil {
		return err
	}
	return readJSON(res, into)
}

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
	case err != nil && profileErr != nil && isAbsent(asFailure(err).HTTPStatus):
		return Discovery{}, profileErr // the other list may be withheld only
	case err != nil && profileErr != nil:
		return Discovery{}, err
	}
	return Discovery{Supported: true, Truncated: more, Models: append(found, profiles...)}, nil
}

// refused reports whether a list is withheld from the access key, or is not
// there: that is no fault of the account, which may well call its models.
func refused(err error) bool {
	f := asFailure(err)
	return f != nil && (f.Kind == Permission || isAbsent(f.HTTPStatus))
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

// foundationModels lists the models that answer on demand.
// Source: Amazon Bedrock API reference, "ListFoundationModels".
func (b *bedrockUpstream) foundationModels(ctx context.Context) ([]DiscoveredModel, error) {
	var list struct {
		Models []struct {
			ID             string   `json:"modelId"`
			Name           string   `json:"modelName"`
			Maker          string   `json:"providerName"`
			InferenceTypes []string `json:"inferenceTypesSupported"`
		} `json:"modelSummaries"`
	}
	err := b.list(ctx, "/foundation-models", url.Values{"byOutputModality": {"TEXT"}}, &list)
	if err == nil && list.Models == nil {
		err = errNoList
	}
	if err != nil {
		return nil, b.discoveryFailure(ctx, err)
	}
	var found []DiscoveredModel
	for _, m := range list.Models {
		if slices.Contains(m.InferenceTypes, "ON_DEMAND") {
			found = append(found, DiscoveredModel{ModelID: m.ID, DisplayName: strings.TrimSpace(m.Maker + " " + m.Name)})
		}
	}
	return found, nil
}

// inferenceProfiles lists the profiles of AWS by id and those of the account,
// whose ids say nothing, by ARN. It reports whether there are more.
// Source: Amazon Bedrock API reference, "ListInferenceProfiles".
func (b *bedrockUpstream) inferenceProfiles(ctx context.Context) ([]DiscoveredModel, bool, error) {
	var found []DiscoveredModel
	query := url.Values{"maxResults": {strconv.Itoa(MaxDiscovered)}}
	for range maxDiscoveryPages {
		var page struct {
			Profiles []struct {
				ID   string `json:"inferenceProfileId"`
				ARN  string `json:"inferenceProfileArn"`
				Name string `json:"inferenceProfileName"`
				Type string `json:"type"`
			} `json:"inferenceProfileSummaries"`
			NextToken string `json:"nextToken"`
		}
		if err := b.list(ctx, "/inference-profiles", query, &page); err != nil {
			return nil, false, b.discoveryFailure(ctx, err)
		}
		for _, p := range page.Profiles {
			id := p.ID
			if p.Type == "APPLICATION" {
				id = p.ARN
			}
			found = append(found, DiscoveredModel{ModelID: id, DisplayName: p.Name})
		}
		if page.NextToken == "" {
			return found, false, nil
		}
		if len(found) > MaxDiscovered {
			break
		}
		query.Set("nextToken", page.NextToken)
	}
	return found, true, nil
}
