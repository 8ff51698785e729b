package api_test

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"modelproviders/api/apitest"
)

// form is what a form needs to draw itself for a type.
type form struct {
	Type        string `json:"type"`
	Label       string `json:"label"`
	Description string `json:"description"`
	DocsURL     string `json:"docs_url"`
	Icon        string `json:"icon"`
	IconURL     string `json:"icon_url"`
	AuthMethods []struct {
		Name  string `json:"name"`
		Label string `json:"label"`
	} `json:"auth_methods"`
	Credentials        []formField `json:"credentials"`
	Config             []formField `json:"config"`
	ModelIDLabel       string      `json:"model_id_label"`
	ModelIDPlaceholder string      `json:"model_id_placeholder"`
	CredentialsSchema  schema      `json:"credentials_schema"`
	ConfigSchema       schema      `json:"config_schema"`
}

type formField struct {
	Name        string `json:"name"`
	Label       string `json:"label"`
	Kind        string `json:"kind"`
	Required    bool   `json:"required"`
	AuthMethod  string `json:"auth_method"`
	Needs       string `json:"needs"`
	Help        string `json:"help"`
	Placeholder string `json:"placeholder"`
	Pattern     string `json:"pattern"`

	Suggestions []string `json:"suggestions"`
	Group       *struct {
		Name  string `json:"name"`
		Label string `json:"label"`
	} `json:"group"`
}

type schema struct {
	Schema               string            `json:"$schema"`
	Title                string            `json:"title"`
	Type                 string            `json:"type"`
	Properties           map[string]object `json:"properties"`
	Required             []string          `json:"required"`
	AdditionalProperties *bool             `json:"additionalProperties"`
	OneOf                []schema          `json:"oneOf"` // by authentication method

	DependentRequired map[string][]string `json:"dependentRequired"`
}

// of returns the schema for an authentication method, by its index.
func (s schema) of(method int) schema {
	if s.OneOf == nil {
		return s
	}
	return s.OneOf[method]
}

func TestProviderTypes(t *testing.T) {
	types := []struct {
		name, label         string
		credentials, config []string // name and kind
	}{
		{"openai", "OpenAI", []string{"api_key secret"}, nil},
		{"anthropic", "Anthropic", []string{"api_key secret"}, nil},
		{"azure_openai", "Azure OpenAI", []string{"api_key secret"}, []string{"base_url url", "api_version text"}},
		{"aws_bedrock", "AWS Bedrock", []string{"access_key_id secret", "secret_access_key secret"}, []string{"region text"}},
		{"gcp_vertex_ai", "GCP Vertex AI", []string{"service_account_json secret_json"}, []string{"project text", "region text"}},
		{"custom", "Custom (LiteLLM)", []string{"api_key secret", "headers secret_map"}, []string{"base_url url"}},
	}
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		var answer struct{ Data []form }
		c.Get("/provider-types").Is(http.StatusOK).Into(&answer)
		described := map[string]form{}
		for _, f := range answer.Data {
			described[f.Type] = f
		}
		for _, want := range types {
			got := described[want.name]
			if got.Type != want.name || got.Label != want.label || got.Icon == "" || got.Description == "" || got.ModelIDLabel == "" || got.ModelIDPlaceholder == "" ||
				!regexp.MustCompile(`^https://[^ ]+$`).MatchString(got.DocsURL) {
				t.Errorf("type %s is described as %+v", want.name, got)
			}
			const draft = "https://json-schema.org/draft/2020-12/schema"
			if got.CredentialsSchema.Schema != draft || got.ConfigSchema.Schema != draft {
				t.Errorf("%s: the schemas are of the drafts %q and %q", got.Type, got.CredentialsSchema.Schema, got.ConfigSchema.Schema)
			}
			wantFields(t, got.Type+" credentials", got.Credentials, want.credentials)
			wantFields(t, got.Type+" config", got.Config, want.config)
			for method := range max(1, len(got.AuthMethods)) {
				name := ""
				if len(got.AuthMethods) > 0 {
					name = got.AuthMethods[method].Name
				}
				credentials := got.CredentialsSchema.of(method)
				wantForm(t, got.Type+" credentials", name, got.Credentials, credentials)
				wantForm(t, got.Type+" config", name, got.Config, got.ConfigSchema.of(method))
				wantSecrets(t, got.Type, credentials)
			}
			var one form
			c.Get("/provider-types/" + want.name).Is(http.StatusOK).Into(&one)
			if !equalJSON(one, got) {
				t.Errorf("%s by itself is described as %+v, in the list as %+v", want.name, one, got)
			}
		}
		for _, name := range []string{"x", "OpenAI", "openai%20", "..", "%00", "open_ai"} {
			c.Get("/provider-types/"+name).Problem(http.StatusNotFound, "not_found")
			c.Post("/provider-types/"+name+"/test", object{}).Problem(http.StatusNotFound, "not_found")
			c.Post("/provider-types/"+name+"/available-models", object{}).Problem(http.StatusNotFound, "not_found")
		}
	})
}

// Suggestions are answered for regions, and groups for the fields of one key.
func TestFormMetadata(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		var bedrock, anthropic form
		c := s.Workspace(t)
		c.Get("/provider-types/aws_bedrock").Is(http.StatusOK).Into(&bedrock)
		for _, f := range bedrock.Credentials[:2] {
			if f.Group == nil || f.Group.Name != "access_key" || f.Group.Label != "Access key" || f.Suggestions != nil {
				t.Errorf("the field is described as %+v", f)
			}
		}
		isRegion := func(f formField) bool { return f.Name == "region" }
		if region := bedrock.Config[slices.IndexFunc(bedrock.Config, isRegion)]; !slices.Contains(region.Suggestions, "eu-central-1") || region.Kind != "text" || region.Group != nil {
			t.Errorf("the region is described as %+v", region)
		}
		body := c.Get("/provider-types/anthropic").Is(http.StatusOK)
		body.Into(&anthropic)
		if f := anthropic.Credentials[0]; strings.Contains(body.Body, `"group"`) || strings.Contains(body.Body, `"suggestions"`) || f.Placeholder == "" {
			t.Errorf("the form has empty metadata, or no placeholder: %s", body.Body)
		}
	})
}

// wantFields checks that a form has the wanted fields, each with name and kind, in their
// order. It may have others.
func wantFields(t *testing.T, what string, fields []formField, want []string) {
	t.Helper()
	var got []string
	for _, f := range fields {
		if field := f.Name + " " + f.Kind; slices.Contains(want, field) {
			got = append(got, field)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s: the fields are %q, not %q", what, got, want)
	}
}

// wantForm checks that form and schema describe the same fields for a method.
func wantForm(t *testing.T, what, method string, fields []formField, schema schema) {
	t.Helper()
	var names, required []string
	for _, f := range fields {
		ofMethod := f.AuthMethod == "" || f.AuthMethod == method
		if !ofMethod && schema.Properties[f.Name] == nil {
			continue
		}
		names = append(names, f.Name)
		if f.Required && ofMethod {
			required = append(required, f.Name)
		}
		property := schema.Properties[f.Name]
		if f.Label == "" || f.Placeholder == "" || property == nil {
			t.Errorf("%s: the field is described as %+v and %v", what, f, property)
		}
		pattern, _ := property["pattern"].(string)
		if f.Pattern != "" && f.Pattern != strings.TrimPrefix(pattern, "^$|") {
			t.Errorf("%s: the pattern of %s is %q in the form and %q in the schema", what, f.Name, f.Pattern, pattern)
		}
		if f.Pattern != "" && !regexp.MustCompile(f.Pattern).MatchString(f.Placeholder) {
			t.Errorf("%s: the placeholder %q of %s is not of the pattern %s", what, f.Placeholder, f.Name, f.Pattern)
		}
		if needed := schema.DependentRequired[f.Name]; f.Needs != "" && !slices.Equal(needed, []string{f.Needs}) {
			t.Errorf("%s: %s needs %q in the form and %q in the schema", what, f.Name, f.Needs, needed)
		}
	}
	slices.Sort(required)
	schemaRequired := slices.Sorted(slices.Values(schema.Required))
	if schema.Type != "object" || schema.AdditionalProperties == nil || *schema.AdditionalProperties ||
		len(schema.Properties) != len(names) || !slices.Equal(schemaRequired, required) {
		t.Errorf("%s: the schema is %+v", what, schema)
	}
}

func wantSecrets(t *testing.T, what string, credentials schema) {
	t.Helper()
	for name, property := range credentials.Properties {
		if values, isMap := property["additionalProperties"].(object); isMap {
			property = values
		}
		if property["format"] != "password" || property["writeOnly"] != true {
			t.Errorf("%s: the schema of %s does not say that it is a secret: %v", what, name, property)
		}
	}
}

// What the form says is required, is.
func TestFormsAreTrue(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		var answer struct{ Data []form }
		c.Get("/provider-types").Is(http.StatusOK).Into(&answer)
		for _, f := range answer.Data {
			var missing []string
			isRequired := func(field formField) bool {
				return field.Required && (field.AuthMethod == "" || field.AuthMethod == f.AuthMethods[0].Name)
			}
			for _, field := range f.Credentials {
				if isRequired(field) {
					missing = append(missing, "credentials."+field.Name+" required")
				}
			}
			for _, field := range f.Config {
				if isRequired(field) {
					missing = append(missing, "config."+field.Name+" required")
				}
			}
			for _, empty := range []object{{"credentials": object{}, "config": object{}}, {"credentials": object{}}} {
				empty["name"], empty["type"] = "n", f.Type
				c.Post("/providers", empty).Problem(http.StatusUnprocessableEntity, "validation_failed", missing...)
			}
			draft := object{"credentials": object{}, "model_id": "m", "prompt": "Hi"}
			c.Post("/provider-types/"+f.Type+"/test", draft).Problem(http.StatusUnprocessableEntity, "validation_failed", missing...)
			c.Post("/provider-types/"+f.Type+"/available-models", object{"credentials": object{}}).Problem(http.StatusUnprocessableEntity, "validation_failed", missing...)
		}
	})
}

func TestStages(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		var answer struct {
			Data []struct{ Stage, Label string }
		}
		s.Workspace(t).Get("/stages").Is(http.StatusOK).Into(&answer)
		var got []string
		for _, stage := range answer.Data {
			got = append(got, stage.Stage)
			if stage.Label == "" {
				t.Errorf("the stage %s has no label", stage.Stage)
			}
		}
		if contract := []string{"planning", "tool_call", "summarization", "guardrail"}; !slices.Equal(got[:min(len(got), 4)], contract) {
			t.Errorf("the stages are %v; those of the contract come first: %v", got, contract)
		}
		var description any
		s.Workspace(t).Get("/openapi.json").Is(http.StatusOK).Into(&description)
		eachEnum(description, func(values []string) {
			if slices.Contains(values, "planning") && !slices.Equal(values, got) {
				t.Errorf("the description has the stages %v, not %v", values, got)
			}
		})
	})
}

// eachEnum finds the lists of values in a description.
func eachEnum(part any, found func(values []string)) {
	switch part := part.(type) {
	case []any:
		for _, member := range part {
			eachEnum(member, found)
		}
	case map[string]any:
		for name, member := range part {
			list, isList := member.([]any)
			if name != "enum" || !isList {
				eachEnum(member, found)
				continue
			}
			values := make([]string, len(list))
			for i, value := range list {
				values[i], _ = value.(string)
			}
			found(values)
		}
	}
}
