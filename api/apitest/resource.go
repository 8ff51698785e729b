package apitest

import (
	"crypto/rand"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// Provider is a provider as it is answered.
type Provider struct {
	ID                string            `json:"id"`
	Name              string            `json:"name"`
	Type              string            `json:"type"`
	TypeLabel         string            `json:"type_label"`
	Status            string            `json:"status"`
	Enabled           bool              `json:"enabled"`
	Error             *ProviderError    `json:"error"`
	LastCheck         *LastCheck        `json:"last_check"`
	Credentials       Credentials       `json:"credentials"`
	Config            map[string]string `json:"config"`
	EnabledModelCount int               `json:"enabled_model_count"`
	ModelCount        int               `json:"model_count"`
	ReferenceCount    int               `json:"reference_count"`
	ClonedFrom        *string           `json:"cloned_from"`
	Models            []Model           `json:"models"`
	Version           int64             `json:"version"`
	CreatedAt         string            `json:"created_at"`
	UpdatedAt         string            `json:"updated_at"`
}

// ProviderError is what was last observed to be wrong with a provider.
type ProviderError struct {
	Kind    string  `json:"kind"`
	Message string  `json:"message"`
	ModelID *string `json:"model_id"`
	Since   string  `json:"since"`
}

// LastCheck is the outcome of the last check of a connection.
type LastCheck struct {
	Status string `json:"status"`
	Kind   string `json:"kind"`
	At     string `json:"at"`
	By     string `json:"by"`
}

// Credentials are the credentials of a provider, by the names that reveal takes:
// `headers.x-team` for the entry `X-Team` of the field `headers`.
type Credentials map[string]Credential

// Credential says whether a credential is stored.
type Credential struct {
	Set       bool   `json:"set"`
	Masked    string `json:"masked,omitempty"`
	UpdatedAt string `json:"updated_at,omitempty"`
}

// UnmarshalJSON implements [json.Unmarshaler].
func (c *Credentials) UnmarshalJSON(data []byte) error {
	var answered Object
	if err := json.Unmarshal(data, &answered); err != nil {
		return err
	}
	flat, err := json.Marshal(Flat(answered))
	if err != nil {
		return err
	}
	return json.Unmarshal(flat, (*map[string]Credential)(c))
}

// MarshalJSON implements [json.Marshaler]. The service accepts in an edit what it
// answered.
func (c Credentials) MarshalJSON() ([]byte, error) {
	nested := Object{}
	for name, credential := range c {
		field, entry, isEntry := strings.Cut(name, ".")
		if !isEntry {
			nested[name] = credential
			continue
		}
		if nested[field] == nil {
			nested[field] = Object{}
		}
		nested[field].(Object)[entry] = credential
	}
	return json.Marshal(nested)
}

// Stored are the names of the credentials that are stored.
func (p Provider) Stored() (names []string) {
	for name, credential := range p.Credentials {
		if credential.Set {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Flat returns credentials with each entry of a secret_map under the name that reveal
// takes.
func Flat(credentials Object) Object {
	flat := Object{}
	for name, value := range credentials {
		entries, isObject := value.(Object)
		_, isState := entries["set"].(bool)
		if !isObject || isState || name == "service_account_json" {
			flat[name] = value
			continue
		}
		for entry, value := range entries {
			flat[name+"."+strings.ToLower(entry)] = value
		}
	}
	return flat
}

// Model is a model as it is answered. The facts of its provider are nil where
// it is answered among the models of that.
type Model struct {
	ID              string                `json:"id"`
	ProviderID      string                `json:"provider_id"`
	ProviderName    *string               `json:"provider_name"`
	ProviderType    *string               `json:"provider_type"`
	ProviderStatus  *string               `json:"provider_status"`
	ProviderEnabled *bool                 `json:"provider_enabled"`
	ModelID         string                `json:"model_id"`
	DisplayName     string                `json:"display_name"`
	SupportedStages []string              `json:"supported_stages"`
	Enabled         bool                  `json:"enabled"`
	LastTest        *LastTest             `json:"last_test"`
	StageChecks     map[string]StageCheck `json:"stage_checks"`
	ReferenceCount  int                   `json:"reference_count"`
	Version         int64                 `json:"version"`
	CreatedAt       string                `json:"created_at"`
	UpdatedAt       string                `json:"updated_at"`
}

// LastTest is the outcome of the last test of a model.
type LastTest struct {
	Status    string `json:"status"`
	Kind      string `json:"kind"`
	LatencyMS int64  `json:"latency_ms"`
	At        string `json:"at"`
}

// StageCheck is the last check of a stage of a model.
type StageCheck struct {
	Status string `json:"status"`
	At     string `json:"at"`
}

// Page is one page of a list.
type Page[T any] struct {
	Data       []T     `json:"data"`
	NextCursor *string `json:"next_cursor"`
	Total      *int    `json:"total"`
}

// Provider decodes a provider.
func (a *Answer) Provider() (p Provider) {
	a.t.Helper()
	a.Into(&p)
	return p
}

// Model decodes a model.
func (a *Answer) Model() (m Model) {
	a.t.Helper()
	a.Into(&m)
	return m
}

// UniqueName is a name that nothing else has.
func UniqueName(what string) string { return what + " " + rand.Text() }

// OpenAI is a provider to create; changes replace or add fields.
func OpenAI(changes Object) Object {
	body := Object{"name": UniqueName("OpenAI"), "type": "openai", "credentials": Object{"api_key": "sk-" + Secret}}
	maps.Copy(body, changes)
	return body
}

// Custom is a provider with a base URL to create; changes replace or add
// fields.
func Custom(baseURL string, changes Object) Object {
	body := Object{"name": UniqueName("Custom"), "type": "custom",
		"credentials": Object{"api_key": "sk-" + Secret}, "config": Object{"base_url": baseURL}}
	maps.Copy(body, changes)
	return body
}

// GPT is a model to create; changes replace or add fields.
func GPT(modelID string, changes Object) Object {
	body := Object{"model_id": modelID, "supported_stages": List{"planning"}}
	maps.Copy(body, changes)
	return body
}

// CreateProvider creates a provider.
func (c *Client) CreateProvider(body Object) Provider {
	c.t.Helper()
	return c.Post("/providers", body).Is(http.StatusCreated).Provider()
}

// Provider reads a provider.
func (c *Client) Provider(id string) Provider {
	c.t.Helper()
	return c.Get("/providers/" + id).Is(http.StatusOK).Provider()
}

// EditProvider edits a provider.
func (c *Client) EditProvider(id string, body any, edits ...Edit) Provider {
	c.t.Helper()
	return c.Patch("/providers/"+id, body, edits...).Is(http.StatusOK).Provider()
}

// CreateModel adds a model to a provider.
func (c *Client) CreateModel(providerID string, body Object) Model {
	c.t.Helper()
	return c.Post("/providers/"+providerID+"/models", body).Is(http.StatusCreated).Model()
}

// Model reads a model.
func (c *Client) Model(id string) Model {
	c.t.Helper()
	return c.Get("/models/" + id).Is(http.StatusOK).Model()
}

// Path is where a model is edited.
func (m Model) Path() string { return "/providers/" + m.ProviderID + "/models/" + m.ID }

// Path is where a provider is.
func (p Provider) Path() string { return "/providers/" + p.ID }
