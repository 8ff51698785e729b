package provider_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"modelproviders/pkg/egress"
	"modelproviders/pkg/fault"
	"modelproviders/pkg/provider"
)

const casesFolder = "testdata/cases"

var casesDir = flag.String("cases", casesFolder, "the folder whose *.json files TestCases runs")

// upstreamCase is one situation that a user met: the settings, what the
// upstream answers, what was asked, and what the user has to be told. Each is a
// file in testdata/cases; docs/contributing.md describes the fields.
type upstreamCase struct {
	Title    string `json:"title"`
	Kind     string `json:"kind"` // groups cases of one sort
	Provider struct {
		Type        string          `json:"type"`
		Credentials json.RawMessage `json:"credentials"`
		Config      json.RawMessage `json:"config"`
	} `json:"provider"`
	Upstream []rule      `json:"upstream"`
	Request  caseRequest `json:"request"`
	Expect   expectation `json:"expect"`
}

// caseRequest is what is asked. Op is `test` (where it is empty), `discover`,
// `create`, or `saved`: create, then test each of Models.
type caseRequest struct {
	Op              string   `json:"op"`
	ModelID         string   `json:"model_id"`
	Models          []string `json:"models"`
	Stream          bool     `json:"stream"`
	Prompt          string   `json:"prompt"`
	System          string   `json:"system"`
	Temperature     *float64 `json:"temperature"`
	MaxOutputTokens int      `json:"max_output_tokens"`
	Tool            bool     `json:"tool"`   // offer the tool get_weather
	Output          bool     `json:"output"` // ask for JSON with a schema
}

// prompt is the prompt of the case for a model.
func (r caseRequest) prompt(modelID string) provider.Prompt {
	p := provider.Prompt{
		ModelID: modelID, Text: cmp.Or(r.Prompt, "Say hello."), System: r.System,
		Temperature: r.Temperature, MaxOutputTokens: r.MaxOutputTokens,
	}
	if r.Tool {
		p.Tool = weatherTool()
	}
	if r.Output {
		p.Output = planSchema()
	}
	return p
}

// expectation is what the user has to be told; what is left out may be
// anything. Words are sought whatever their case.
type expectation struct {
	Status         string                 `json:"status"`
	Response       *string                `json:"response"`
	FinishReason   string                 `json:"finish_reason"`
	HTTP           int                    `json:"http"`
	Models         []string               `json:"models"` // of a discovery
	ProviderStatus string                 `json:"provider_status"`
	Kind           []provider.FailureKind `json:"kind"`        // any of them
	HintAny        []string               `json:"hint_any"`    // one of them
	OrMessage      bool                   `json:"or_message"`  // HintAny may be in the message
	HintNot        []string               `json:"hint_not"`    // none of them
	MessageHas     []string               `json:"message_has"` // all of them
	Text           []string               `json:"text"`        // all, anywhere in the answer
	Warnings       []provider.WarningCode `json:"warnings"`    // exactly these
	ToolCalls      []string               `json:"tool_calls"`  // exactly these, as name and arguments
	Unsupported    *bool                  `json:"unsupported"` // the tool was refused
}

// outcome is what a user is told. Of several tests it is the last one's.
type outcome struct {
	HTTP           int
	Status         string // success or failed; empty where no model was tested
	Response       string
	FinishReason   string
	Models         []string
	ProviderStatus string
	Failure        provider.Failure // the zero value on success
	Warnings       []provider.WarningCode
	ToolCalls      []string
	Texts          []string // all that was said, of each test
}

// TestCases runs every case against a server of its own, over TCP and the
// guarded transport.
func TestCases(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(*casesDir, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no cases in %s (%v)", *casesDir, err)
	}
	decided := map[any]bool{}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			upstream := startCaseUpstream(t)
			c := readCase(t, upstream.fill(t, string(text)))
			upstream.use(t, c.Upstream)
			got := runCase(t, c, upstream)
			for _, rule := range provider.RulesOf(&got.Failure) {
				decided[rule] = true
			}
			for _, miss := range c.Expect.misses(got) {
				t.Error(miss)
			}
			if t.Failed() {
				t.Logf("%s\nthe answer: %+v\nthe upstream was asked:\n%s", c.Title, got, strings.Join(upstream.asked(), "\n"))
			}
		})
	}
	if *casesDir == casesFolder {
		checkRules(t, decided)
	}
}

// checkRules checks that each rule decided one of the cases.
func checkRules(t *testing.T, decided map[any]bool) {
	t.Helper()
	for _, table := range provider.RuleTables() {
		for _, row := range table.Rows {
			if !decided[row.Rule] {
				t.Errorf("no case is decided by this rule of %s: %s", table.Title, row.Text)
			}
		}
	}
}

// readCase decodes a case. A field that nobody knows is a fault, for its
// author meant it to be checked.
func readCase(t testing.TB, text string) upstreamCase {
	t.Helper()
	var c upstreamCase
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		t.Fatal(err)
	}
	if c.Title == "" || len(c.Upstream) == 0 {
		t.Fatal("a case has a title and at least one rule of its upstream")
	}
	if encoded := encode(t, c.Expect); bytes.Equal(encoded, encode(t, expectation{})) {
		t.Fatal("the case expects nothing")
	}
	return c
}

// runCase does what a case asks, as the program does it.
func runCase(t testing.TB, c upstreamCase, upstream *caseUpstream) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	typ := lookup(t, c.Provider.Type)
	settings, faults := read(t, typ, c.Provider.Credentials, c.Provider.Config, provider.Stored{})
	if len(faults) > 0 {
		return refused(faults)
	}
	endpoints, err := provider.ParseEndpoints(upstream.endpoints())
	if err != nil {
		t.Fatal(err)
	}
	guard, err := egress.New(egress.Config{Allow: []string{"127.0.0.1"}, RootCAs: upstream.rootCAs()})
	if err != nil {
		t.Fatal(err)
	}
	client := openAt(t, typ, settings, endpoints, guard)
	switch c.Request.Op {
	case "", "test":
		return tested(ctx, t, client, c.Request, c.Request.ModelID)
	case "discover":
		return discovered(client.Models(ctx))
	case "create":
		return outcome{HTTP: http.StatusCreated}
	case "saved":
		return saved(ctx, t, client, c.Request)
	default:
		t.Fatalf("there is no op %q", c.Request.Op)
		return outcome{}
	}
}

// refused is the answer to settings that are not accepted.
func refused(faults fault.Fields) outcome {
	o := outcome{HTTP: http.StatusUnprocessableEntity}
	for _, f := range faults {
		o.Texts = append(o.Texts, f.Name, f.Message)
	}
	o.Failure.Message = strings.Join(o.Texts, "\n")
	return o
}

// openAt opens a client whose type is called at the endpoints that are named for
// it.
func openAt(t testing.TB, typ *provider.Type, settings provider.Settings, endpoints provider.Endpoints, guard *egress.Guard) provider.Client {
	t.Helper()
	options := provider.OpenOptions{Transport: guard.Transport(endpoints.Origins(typ.Name())...), Endpoints: endpoints}
	client, err := typ.Open(settings.Credentials, settings.Config, options)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// tested sends the case's prompt to a model.
func tested(ctx context.Context, t testing.TB, client provider.Client, r caseRequest, modelID string) outcome {
	t.Helper()
	var deltas strings.Builder
	var onDelta func(string)
	if r.Stream {
		onDelta = func(text string) { deltas.WriteString(text) }
	}
	result := client.Generate(ctx, r.prompt(modelID), onDelta)
	o := outcome{HTTP: http.StatusOK, Status: "success", Response: result.Response, FinishReason: result.FinishReason}
	o.Texts = append(o.Texts, result.Response)
	for _, call := range result.ToolCalls {
		o.ToolCalls = append(o.ToolCalls, call.Name+" "+string(call.Arguments))
	}
	for _, w := range result.Warnings {
		o.Warnings = append(o.Warnings, w.Code)
		o.Texts = append(o.Texts, string(w.Code), w.Message)
	}
	if result.Failure != nil {
		o.Status = "failed"
		o.fail(*result.Failure)
	} else if r.Stream && deltas.String() != result.Response {
		t.Errorf("the response is %q, and its deltas are %q", result.Response, deltas.String())
	}
	return o
}

func (o *outcome) fail(f provider.Failure) {
	o.Failure = f
	o.Texts = append(o.Texts, f.Message, f.Code, f.Hint)
}

// discovered is the answer to a discovery.
func discovered(d provider.Discovery, err error) outcome {
	o := outcome{HTTP: http.StatusOK, Models: []string{}}
	for _, m := range d.Models {
		o.Models = append(o.Models, m.ModelID)
		o.Texts = append(o.Texts, m.ModelID, m.DisplayName)
	}
	if err != nil {
		o.HTTP = http.StatusBadGateway
		var f *provider.Failure
		if errors.As(err, &f) {
			o.fail(*f)
		}
	}
	return o
}

// saved tests each model of a stored provider, and keeps its status: an error
// while the last call that says something of the provider failed for its sake.
func saved(ctx context.Context, t testing.TB, client provider.Client, r caseRequest) outcome {
	t.Helper()
	models := r.Models
	if len(models) == 0 {
		models = []string{r.ModelID}
	}
	status := "active"
	var o outcome
	for _, model := range models {
		texts := o.Texts
		o = tested(ctx, t, client, r, model)
		o.Texts = append(texts, o.Texts...)
		switch {
		case o.Status == "success":
			status = "active"
		case o.Failure.OfProvider():
			status = "error"
		}
	}
	o.ProviderStatus = status
	return o
}

// holds finds the words that a text has, whatever their case.
func holds(text string, words []string) []string {
	var found []string
	for _, word := range words {
		if strings.Contains(strings.ToLower(text), strings.ToLower(word)) {
			found = append(found, word)
		}
	}
	return found
}

// lacks finds the words that a text has not.
func lacks(text string, words []string) []string {
	found := holds(text, words)
	return slices.DeleteFunc(slices.Clone(words), func(word string) bool { return slices.Contains(found, word) })
}
