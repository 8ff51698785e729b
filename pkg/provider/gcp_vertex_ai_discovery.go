package provider

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"strings"
)

// models lists the publisher models that can be called by id. Their list is the
// Model Garden's: it also holds models that have to be deployed first, which
// callableModel leaves out. It is Google's whole catalogue: neither the project
// nor the region narrows it.
func (v *vertexUpstream) models(ctx context.Context) (Discovery, error) {
	token, err := v.tokens.get(ctx)
	if err != nil {
		return Discovery{}, err
	}
	var found []DiscoveredModel
	pageToken := ""
	for range maxDiscoveryPages {
		page, err := v.modelPage(ctx, token, pageToken)
		if err != nil {
			return Discovery{}, v.discoveryFailure(ctx, err, token)
		}
		found = append(found, page.models...)
		if page.next == "" {
			return Discovery{Supported: true, Models: found}, nil
		}
		if len(found) > MaxDiscovered {
			break
		}
		pageToken = page.next
	}
	return Discovery{Supported: true, Truncated: true, Models: found}, nil
}

// discoveryFailure explains an error of the list. A missing permission there
// never speaks of the account, which may well call its models.
func (v *vertexUpstream) discoveryFailure(ctx context.Context, err error, token string) *Failure {
	f := v.failure(ctx, err, token, "")
	if f.Kind == Permission {
		f.Account = false
	}
	return f
}

// modelPage is one page of the list of models.
type modelPage struct {
	models []DiscoveredModel
	next   string
}

// modelPage asks for one page. Source: Vertex AI REST reference,
// publishers.models.list (v1beta1).
func (v *vertexUpstream) modelPage(ctx context.Context, token, pageToken string) (modelPage, error) {
	query := url.Values{
		"pageSize":        {"1000"},
		"listAllVersions": {"true"},
		"filter":          {"is_hf_wildcard(false)"}, // without Hugging Face's
	}
	if pageToken != "" {
		query.Set("pageToken", pageToken)
	}
	res, err := v.call(ctx, http.MethodGet, v.base+"/v1beta1/publishers/*/models?"+query.Encode(), token, nil)
	if err != nil {
		return modelPage{}, err
	}
	var list struct {
		PublisherModels []struct {
			Name      string `json:"name"` // publishers/google/models/gemini-2.5-pro
			VersionID string `json:"versionId"`
		} `json:"publisherModels"`
		NextPageToken string `json:"nextPageToken"`
	}
	if err := readJSON(res, &list); err != nil {
		return modelPage{}, err
	}
	// Google leaves out what is empty, so that a list of no models is {}.
	if list.PublisherModels == nil && string(bytes.TrimSpace(lastCall(ctx).page())) != "{}" {
		return modelPage{}, errNoList
	}
	page := modelPage{next: list.NextPageToken}
	for _, m := range list.PublisherModels {
		if id := callableModel(parseVertexModel(m.Name), m.VersionID); id != "" {
			page.models = append(page.models, DiscoveredModel{ModelID: id})
		}
	}
	return page, nil
}

// callableModel is the id by which a model of the list is called; empty for one
// that does not answer prompts without being deployed. Google's own text models
// are the Gemini family; of the other makers' those are served that end in
// `-maas` (model as a service), and Anthropic's, which carry their version.
func callableModel(m vertexModel, version string) string {
	switch {
	case m.publisher == "google" && strings.HasPrefix(m.name, "gemini-") && !strings.Contains(m.name, "embedding"):
		return m.name
	case m.publisher == "anthropic" && m.name != "":
		if version == "" || version == "default" {
			return m.name
		}
		return m.name + "@" + version
	case strings.HasSuffix(m.name, "-maas"):
		return m.publisher + "/" + m.name
	}
	return ""
}
