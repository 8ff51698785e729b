package provider

import (
	"bytes"
	"context"
	"net/url"
	"strings"
)

// models lists the publisher models that can be called by id. The list is Google's
// whole Model Garden, for every project and region. It also contains models that must
// be deployed first, which callableModel leaves out.
// Source: Vertex AI REST reference, publishers.models.list (v1beta1).
func (v *vertexUpstream) models(ctx context.Context) (Discovery, error) {
	type list struct {
		PublisherModels []struct {
			Name      string `json:"name"` // publishers/google/models/gemini-2.5-pro
			VersionID string `json:"versionId"`
		} `json:"publisherModels"`
		NextPageToken string `json:"nextPageToken"`
	}
	query := url.Values{
		"pageSize":        {"1000"},
		"listAllVersions": {"true"},
		"filter":          {"is_hf_wildcard(false)"}, // without Hugging Face's
	}
	address := v.base + "/v1beta1/publishers/*/models?" + query.Encode()
	d, err := readPages(ctx, v.service, address, "pageToken", func(page list) (found []DiscoveredModel, next string, err error) {
		// Google leaves out what is empty, so that a list of no models is {}.
		if page.PublisherModels == nil && string(bytes.TrimSpace(lastCall(ctx).page())) != "{}" {
			return nil, "", errNoList
		}
		for _, m := range page.PublisherModels {
			if id := callableModel(parseVertexModel(m.Name), m.VersionID); id != "" {
				found = append(found, DiscoveredModel{ModelID: id})
			}
		}
		return found, page.NextPageToken, nil
	})
	if err == nil {
		return d, nil
	}
	f := v.explain(ctx, "", err)
	if f.Kind == Permission { // the account may well call its models
		f.scope = byKind
	}
	return Discovery{}, f
}

// callableModel is the id by which a model is called; empty for one that has to be
// deployed first. Callable are Google's Gemini family, Anthropic's models, which
// carry their version, and others whose names end in `-maas` (model as a service).
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
