package bench_test

import (
	"bytes"
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"modelproviders/pkg/secret"
)

// floor is the least that a service of this kind has to do: the calls that are
// measured, with the same database, the same answers and a commit where the
// product commits, and nothing beside: no rules, no limits, no log.
type floor struct {
	db       *database
	keys     *secret.Keyset
	bearer   []byte
	upstream http.Client
}

const (
	workspace = "default"
	pageSize  = 20
)

// serveFloor serves the floor on a data directory and a database that the product has
// made.
func serveFloor(dataDir, databaseURL string) error {
	db, err := openDatabase(dataDir, databaseURL)
	if err != nil {
		return err
	}
	keys, err := secret.Load(context.Background(), filepath.Join(dataDir, "keyset.json"), nil)
	if err != nil {
		return err
	}
	token, err := os.ReadFile(filepath.Join(dataDir, "admin.token"))
	if err != nil {
		return err
	}
	f := &floor{db: db, keys: keys, bearer: []byte("Bearer " + strings.TrimSpace(string(token)))}
	f.upstream.Transport = &http.Transport{MaxIdleConnsPerHost: manyCallers}
	debug.SetGCPercent(200) // as the product does
	e := echo.New()
	e.Use(f.authenticate)
	e.GET("/providers/:id", f.get)
	e.GET("/providers", f.list)
	e.GET("/models", f.models)
	e.POST("/providers", f.create)
	e.POST("/models/:id/test", f.test)
	return serveAsChild(e)
}

func (f *floor) authenticate(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if subtle.ConstantTimeCompare([]byte(c.Request().Header.Get("Authorization")), f.bearer) != 1 {
			return echo.ErrUnauthorized
		}
		return next(c)
	}
}

// page is a page of a list.
type page[T any] struct {
	Data []T     `json:"data"`
	Next *string `json:"next_cursor"`
}

// pageOf makes a page of one row more than fits.
func pageOf[T any](rows []T, position func(T) string) page[T] {
	if len(rows) <= pageSize {
		return page[T]{Data: rows}
	}
	rows = rows[:pageSize]
	next := position(rows[pageSize-1])
	return page[T]{Data: rows, Next: &next}
}

func (f *floor) get(c echo.Context) error {
	p, err := f.db.provider(c.Request().Context(), c.Param("id"))
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, p)
}

func (f *floor) list(c echo.Context) error {
	providers, err := f.db.providers(c.Request().Context(), pageSize+1)
	if err != nil {
		return err
	}
	answer := pageOf(providers, func(p *providerAnswer) string { return p.Name + "|" + p.ID })
	if err := f.db.addModels(c.Request().Context(), answer.Data); err != nil {
		return err
	}
	return c.JSON(http.StatusOK, answer)
}

func (f *floor) models(c echo.Context) error {
	models, err := f.db.availableModels(c.Request().Context(), c.QueryParam("stage"), pageSize+1)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, pageOf(models, func(m modelAnswer) string { return m.DisplayName + "|" + m.ID }))
}

// newProvider is the body of a create.
type newProvider struct {
	Name        string            `json:"name"`
	Type        string            `json:"type"`
	Credentials map[string]string `json:"credentials"`
	Config      map[string]string `json:"config"`
	Models      []struct {
		ModelID string   `json:"model_id"`
		Stages  []string `json:"supported_stages"`
	} `json:"models"`
}

func (f *floor) create(c echo.Context) error {
	var body newProvider
	if err := json.NewDecoder(c.Request().Body).Decode(&body); err != nil {
		return err
	}
	now := time.Now().UTC().Truncate(time.Millisecond)
	p := &providerAnswer{
		ID: newID(), Name: body.Name, Type: body.Type, Enabled: true, Config: body.Config,
		Version: 1, CreatedAt: moment(now), UpdatedAt: moment(now), credentials: map[string]sealedCredential{},
	}
	for field, value := range body.Credentials {
		sealed, err := f.keys.Seal(secret.NewText(value), bindingOf(p.ID, field, body.Config))
		if err != nil {
			return err
		}
		p.credentials[field] = sealedCredential{Sealed: sealed, UpdatedAt: moment(now)}
	}
	for _, m := range body.Models {
		p.Models = append(p.Models, modelAnswer{ID: newID(), ProviderID: p.ID, ModelID: m.ModelID, DisplayName: m.ModelID,
			Stages: m.Stages, Enabled: true, Version: 1, CreatedAt: moment(now), UpdatedAt: moment(now)})
	}
	changes, err := json.Marshal(changesOf(p))
	if err != nil {
		return err
	}
	e := event{action: "provider.create", targetType: "provider", target: p.ID, name: p.Name, provider: p.ID, changes: string(changes), at: now}
	if err := f.db.create(c.Request().Context(), p, e); err != nil {
		return err
	}
	p.finish()
	return c.JSON(http.StatusCreated, p)
}

// changesOf is what the product's event tells of a new provider.
func changesOf(p *providerAnswer) []map[string]string {
	var changes []map[string]string
	add := func(field, value string) { changes = append(changes, map[string]string{"field": field, "new": value}) }
	for field, value := range p.Config {
		add("config."+field, value)
	}
	for _, m := range p.Models {
		add("models["+m.ID+"].display_name", m.DisplayName)
		add("models["+m.ID+"].enabled", "true")
		add("models["+m.ID+"].model_id", m.ModelID)
		add("models["+m.ID+"].supported_stages", strings.Join(m.Stages, ","))
	}
	add("credentials.api_key", "")
	add("enabled", "true")
	add("name", p.Name)
	add("type", p.Type)
	return changes
}

func bindingOf(provider, field string, config map[string]string) secret.Binding {
	return secret.Binding{Workspace: workspace, Provider: provider, Field: field, BaseURL: config["base_url"]}
}

func (f *floor) test(c echo.Context) error {
	var body struct {
		Prompt string `json:"prompt"`
	}
	if err := json.NewDecoder(c.Request().Body).Decode(&body); err != nil {
		return err
	}
	m, err := f.db.testable(c.Request().Context(), c.Param("id"))
	if err != nil {
		return err
	}
	key, err := f.keys.Open(m.credentials["api_key"].Sealed, bindingOf(m.provider, "api_key", m.config))
	if err != nil {
		return err
	}
	began := time.Now()
	answer, err := f.ask(c.Request().Context(), m, key.Reveal(), body.Prompt)
	if err != nil {
		return err
	}
	latency := time.Since(began)
	now := time.Now().UTC().Truncate(time.Millisecond)
	answer.Latency, answer.TestedAt = latency.Milliseconds(), moment(now)
	answer.Timing = map[string]int64{"connect_ms": 0, "tls_ms": 0, "first_byte_ms": answer.Latency, "total_ms": answer.Latency}
	e := event{action: "model.test", targetType: "model", target: m.id, name: m.modelID, provider: m.provider, changes: "[]", at: now}
	if err := f.db.recordTest(c.Request().Context(), m, latency, e); err != nil {
		return err
	}
	return c.JSON(http.StatusOK, answer)
}

// chatMessage is a message of OpenAI's chat completions.
type chatMessage struct {
	Content string `json:"content"`
	Role    string `json:"role"`
}

// ask sends the body that the product sends.
func (f *floor) ask(ctx context.Context, m testable, key, prompt string) (testAnswer, error) {
	const maxTokens = 1024
	body, err := json.Marshal(struct {
		MaxTokens int           `json:"max_tokens"`
		Messages  []chatMessage `json:"messages"`
		Model     string        `json:"model"`
		Stream    bool          `json:"stream"`
	}{maxTokens, []chatMessage{{Role: "user", Content: prompt}}, m.modelID, false})
	if err != nil {
		return testAnswer{}, err
	}
	out := testAnswer{Status: "success", Endpoint: m.config["base_url"] + chatPath, Sent: map[string]int{"max_tokens": maxTokens}}
	body = append(body, '\n') // as the encoder of openai-go does
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, out.Endpoint, bytes.NewReader(body))
	if err != nil {
		return testAnswer{}, err
	}
	request.Header.Set("Authorization", "Bearer "+key)
	request.Header.Set("Content-Type", "application/json")
	response, err := f.upstream.Do(request)
	if err != nil {
		return testAnswer{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		return testAnswer{}, errors.Join(fmt.Errorf("the upstream answered %d", response.StatusCode), err)
	}
	var said struct {
		Model   string `json:"model"`
		Choices []struct {
			Reason  string      `json:"finish_reason"`
			Message chatMessage `json:"message"`
		} `json:"choices"`
		Usage struct {
			Input  int `json:"prompt_tokens"`
			Output int `json:"completion_tokens"`
		} `json:"usage"`
	}
	if err := json.Unmarshal(text, &said); err != nil {
		return testAnswer{}, err
	}
	out.Response, out.FinishReason, out.Model = said.Choices[0].Message.Content, said.Choices[0].Reason, said.Model
	out.Usage = map[string]int{"input_tokens": said.Usage.Input, "output_tokens": said.Usage.Output}
	out.RequestID = response.Header.Get("X-Request-Id")
	return out, nil
}

func newID() string { return uuid.Must(uuid.NewV7()).String() }
