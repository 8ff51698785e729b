package bench_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// moment is a time as the API writes it, and as either database gives it.
type moment time.Time

// MarshalText implements [encoding.TextMarshaler].
func (m moment) MarshalText() ([]byte, error) {
	return time.Time(m).UTC().AppendFormat(nil, "2006-01-02T15:04:05.000Z"), nil
}

// UnmarshalText implements [encoding.TextUnmarshaler].
func (m *moment) UnmarshalText(text []byte) error {
	t, err := time.Parse(time.RFC3339, string(text))
	*m = moment(t)
	return err
}

// Scan implements [sql.Scanner].
func (m *moment) Scan(value any) error {
	switch v := value.(type) {
	case int64:
		*m = moment(time.UnixMilli(v))
	case time.Time:
		*m = moment(v)
	default:
		return fmt.Errorf("%T is no time", value)
	}
	return nil
}

// stageList is the stages of a model, as either database gives them.
type stageList []string

// Scan implements [sql.Scanner].
func (l *stageList) Scan(value any) error {
	text, ok := value.(string)
	switch {
	case !ok:
		return fmt.Errorf("%T is no list of stages", value)
	case strings.HasPrefix(text, "{"): // an array of PostgreSQL
		*l = strings.Split(strings.Trim(text, "{}"), ",")
		return nil
	}
	return json.Unmarshal([]byte(text), l)
}

// providerAnswer is a provider as it is answered.
type providerAnswer struct {
	ID                string            `json:"id"`
	Name              string            `json:"name"`
	Type              string            `json:"type"`
	TypeLabel         string            `json:"type_label"`
	Status            string            `json:"status"`
	Enabled           bool              `json:"enabled"`
	Error             *errorAnswer      `json:"error"`
	LastCheck         *struct{}         `json:"last_check"`  // none
	ClonedFrom        *string           `json:"cloned_from"` // none
	Credentials       map[string]any    `json:"credentials"`
	Config            map[string]string `json:"config"`
	EnabledModelCount int               `json:"enabled_model_count"`
	ModelCount        int               `json:"model_count"`
	ReferenceCount    int               `json:"reference_count"`
	Models            []modelAnswer     `json:"models"`
	Version           int64             `json:"version"`
	CreatedAt         moment            `json:"created_at"`
	UpdatedAt         moment            `json:"updated_at"`

	credentials map[string]sealedCredential
	connection  int64
}

type errorAnswer struct {
	Kind    string  `json:"kind"`
	Message string  `json:"message"`
	ModelID *string `json:"model_id"`
	Since   moment  `json:"since"`
}

type credentialAnswer struct {
	Set       bool   `json:"set"`
	Masked    string `json:"masked"`
	UpdatedAt moment `json:"updated_at"`
}

// sealedCredential is a credential as it is stored.
type sealedCredential struct {
	Sealed    []byte `json:"sealed"`
	UpdatedAt moment `json:"updated_at"`
}

// finish fills in what follows from the rest.
func (p *providerAnswer) finish() {
	p.TypeLabel, p.Status = "Custom (LiteLLM)", statusOf(p.Enabled, p.Error != nil)
	p.Credentials = map[string]any{"headers": struct{}{}}
	for field, c := range p.credentials {
		p.Credentials[field] = credentialAnswer{Set: true, Masked: "••••••••", UpdatedAt: c.UpdatedAt}
	}
	p.ModelCount = len(p.Models)
	for _, m := range p.Models {
		if m.Enabled {
			p.EnabledModelCount++
		}
		p.ReferenceCount += m.References
	}
}

func statusOf(enabled, failing bool) string {
	switch {
	case !enabled:
		return "inactive"
	case failing:
		return "error"
	}
	return "active"
}

// providerRow is a row of providers.
type providerRow struct {
	providerAnswer
	errorKind, errorMessage, errorModelID *string
	errorSince                            *moment
	sealed, settings                      []byte
}

// fields are where the columns go.
func (p *providerRow) fields() []any {
	return []any{&p.ID, &p.Name, &p.Type, &p.Enabled, &p.errorKind, &p.errorMessage, &p.errorModelID, &p.errorSince,
		&p.sealed, &p.settings, &p.Version, &p.connection, &p.CreatedAt, &p.UpdatedAt}
}

func (p *providerRow) answer() (*providerAnswer, error) {
	if p.errorKind != nil {
		p.Error = &errorAnswer{Kind: *p.errorKind, Message: *p.errorMessage, ModelID: p.errorModelID, Since: *p.errorSince}
	}
	return &p.providerAnswer, errors.Join(json.Unmarshal(p.sealed, &p.credentials), json.Unmarshal(p.settings, &p.Config))
}

// modelAnswer is a model as it is answered, in a list of models with its
// provider's name and status.
type modelAnswer struct {
	ID          string      `json:"id"`
	ProviderID  string      `json:"provider_id"`
	ModelID     string      `json:"model_id"`
	DisplayName string      `json:"display_name"`
	Stages      stageList   `json:"supported_stages"`
	Enabled     bool        `json:"enabled"`
	LastTest    *testedLast `json:"last_test"`
	StageChecks struct{}    `json:"stage_checks"`
	References  int         `json:"reference_count"`
	Version     int64       `json:"version"`
	CreatedAt   moment      `json:"created_at"`
	UpdatedAt   moment      `json:"updated_at"`
	*ofProvider
}

type ofProvider struct {
	Name    string `json:"provider_name"`
	Type    string `json:"provider_type"`
	Status  string `json:"provider_status"`
	Enabled bool   `json:"provider_enabled"`
}

type testedLast struct {
	Status  string `json:"status"`
	Kind    string `json:"kind,omitempty"`
	Latency int64  `json:"latency_ms"`
	At      moment `json:"at"`
}

// modelRow is a row of models.
type modelRow struct {
	modelAnswer
	testedAt            *moment
	kind                *string
	latency, connection *int64
}

// fields are where the columns go.
func (m *modelRow) fields() []any {
	return []any{&m.ID, &m.ProviderID, &m.ModelID, &m.DisplayName, &m.Stages, &m.Enabled, &m.testedAt, &m.kind,
		&m.latency, &m.connection, &m.References, &m.Version, &m.CreatedAt, &m.UpdatedAt}
}

// answer shows the last test where it ran with the provider's connection.
func (m *modelRow) answer(connection int64) modelAnswer {
	if m.testedAt != nil && *m.connection == connection {
		m.LastTest = &testedLast{Status: "success", Latency: *m.latency / int64(time.Millisecond), At: *m.testedAt}
		if m.kind != nil {
			m.LastTest.Status, m.LastTest.Kind = "failed", *m.kind
		}
	}
	return m.modelAnswer
}

// testAnswer is the outcome of a test.
type testAnswer struct {
	Status       string           `json:"status"`
	Response     string           `json:"response"`
	Latency      int64            `json:"latency_ms"`
	Model        string           `json:"model"`
	FinishReason string           `json:"finish_reason"`
	Usage        map[string]int   `json:"usage"`
	Sent         map[string]int   `json:"sent"`
	Timing       map[string]int64 `json:"timing"`
	RequestID    string           `json:"provider_request_id"`
	Endpoint     string           `json:"endpoint"`
	TestedAt     moment           `json:"tested_at"`
}
