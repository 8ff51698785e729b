package bench_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"testing"
)

func fixed(path string) func(*side, int, int) string {
	return func(*side, int, int) string { return path }
}

// The calls that are measured. Callers test a model each: two tests of one model
// would wait for each other's row.
var (
	get = call{method: "GET", status: http.StatusOK, says: `"model_count":3`,
		path: func(s *side, _, number int) string { return "/providers/" + s.targets[number%len(s.targets)].provider }}
	list   = call{method: "GET", status: http.StatusOK, says: `"next_cursor":"`, path: fixed("/providers?limit=20")}
	models = call{method: "GET", status: http.StatusOK, says: `"next_cursor":"`, path: fixed("/models?stage=planning&available=true&limit=20")}
)

func fast(t target) string { return t.fast }
func slow(t target) string { return t.slow }

func test(model func(target) string) call {
	return call{method: "POST", status: http.StatusOK, says: `"status":"success"`,
		path: func(s *side, caller, _ int) string {
			return "/models/" + model(s.targets[caller%len(s.targets)]) + "/test"
		},
		body: func(*side, int) string { return `{"prompt":"Say hello."}` }}
}

// chat is what the product sends upstream, sent directly.
func chat(body string) call {
	return call{method: "POST", path: fixed(chatPath), status: http.StatusOK, body: func(*side, int) string { return body }}
}

// create makes a provider with two models.
func create(upstream string) call {
	return call{method: "POST", status: http.StatusCreated, path: fixed("/providers"), body: func(s *side, number int) string {
		return newProviderBody(fmt.Sprintf("Created %d through %s", number, s.url), upstream, fastModel, slowModel)
	}}
}

// newProviderBody is the body of a create. The models serve two stages each.
func newProviderBody(name, upstream string, models ...string) string {
	type model struct {
		ModelID string   `json:"model_id"`
		Stages  []string `json:"supported_stages"`
	}
	body := map[string]any{"name": name, "type": "custom", "config": map[string]string{"base_url": upstream},
		"credentials": map[string]string{"api_key": "sk-0123456789abcdef0123456789abcdef"}}
	var all []model
	for _, id := range models {
		all = append(all, model{id, []string{"planning", "tool_call"}})
	}
	body["models"] = all
	text, _ := json.Marshal(body) // texts always can be
	return string(text)
}

// makeProvider creates a provider through the API.
func (s *side) makeProvider(b testing.TB, body string) (made providerAnswer) {
	b.Helper()
	text, err := s.send(call{method: "POST", path: fixed("/providers"), status: http.StatusCreated, body: func(*side, int) string { return body }}, 0)
	if err != nil {
		b.Fatal(err)
	}
	if err := json.Unmarshal(text, &made); err != nil {
		b.Fatal(err)
	}
	return made
}

// model returns the id of a model.
func (p providerAnswer) model(modelID string) string {
	return p.Models[slices.IndexFunc(p.Models, func(m modelAnswer) bool { return m.ModelID == modelID })].ID
}

// fill makes the workspace's providers: 100 of three models.
func (s *side) fill(b testing.TB, upstream string) {
	b.Helper()
	for i := range 100 {
		made := s.makeProvider(b, newProviderBody(fmt.Sprintf("Provider %02d", i*37%100), upstream, fastModel, slowModel, "other-model"))
		s.targets = append(s.targets, target{made.ID, made.model(fastModel), made.model(slowModel)})
	}
}

// addNeighbours adds 50 workspaces with 20 providers each, copied from the
// first. Nothing opens their credentials.
func addNeighbours(b *testing.B, db *database) {
	b.Helper()
	const copied = `SELECT id FROM providers WHERE workspace = 'default' ORDER BY name_key LIMIT 20`
	statements := []string{
		insertCopies("providers", `id, name, name_key, type, enabled, credentials, config, version, connection, created_at, updated_at`) + `id IN (` + copied + `)`,
		insertCopies("models", `id, provider_id, model_id, model_key, display_name, name_key, stages, enabled, version, created_at, updated_at`) + `provider_id IN (` + copied + `)`,
	}
	if db.postgres {
		statements = append(statements, "VACUUM ANALYZE") // as autovacuum would after a while
	}
	for _, statement := range statements {
		if _, err := db.writer.ExecContext(b.Context(), statement); err != nil {
			b.Fatalf("seed: %v\n%s", err, statement)
		}
	}
}

func insertCopies(table, columns string) string {
	return `INSERT INTO ` + table + ` (workspace, ` + columns + `)
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50)
		SELECT 'neighbour-' || i, ` + columns + ` FROM n, ` + table + ` WHERE workspace = 'default' AND `
}

// checkFloor checks that the floor answers the same fields as the product and sends the
// same body upstream.
func (m *bench) checkFloor() {
	for _, c := range []call{get, list, models, test(fast), create(m.upstream), get, list, models} { // after a test, too
		if product, floor := m.answer(m.product, c), m.answer(m.floor, c); !reflect.DeepEqual(shape(product), shape(floor)) {
			m.Fatalf("%s: the product answers\n%v\nand the floor\n%v", c.path(m.product, 0, 0), product, floor)
		}
	}
	m.answer(m.product, test(fast))
	product := m.lastBody()
	m.answer(m.floor, test(fast))
	if floor := m.lastBody(); product != floor {
		m.Fatalf("the product sends %s and the floor %s", product, floor)
	}
}

func (m *bench) answer(s *side, c call) (body any) {
	text, err := s.send(c, 0)
	if err != nil {
		m.Fatal(err)
	}
	if err := json.NewDecoder(bytes.NewReader(text)).Decode(&body); err != nil {
		m.Fatal(err)
	}
	return body
}

// lastBody is what was last sent to the upstream.
func (m *bench) lastBody() string {
	response, err := http.Get(m.upstream + lastBodyPath)
	if err != nil {
		m.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		m.Fatal(err)
	}
	return string(text)
}

// shape is a JSON value without its texts and numbers: the fields of objects,
// and of a list those of its first element.
func shape(value any) any {
	switch v := value.(type) {
	case map[string]any:
		fields := map[string]any{}
		for name, field := range v {
			fields[name] = shape(field)
		}
		return fields
	case []any:
		if len(v) > 0 {
			return []any{len(v), shape(v[0])}
		}
	case nil:
		return nil
	}
	return true
}
