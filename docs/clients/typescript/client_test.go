// Package typescript_test tests the TypeScript client.
package typescript_test

import (
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"modelproviders/api/apitest"
	"modelproviders/pkg/app"
	"modelproviders/pkg/auth"
	"modelproviders/pkg/provider/providertest"
)

// TestClient compiles the probes, and runs test/client.test.js against a service with
// a fake upstream. It needs `npm ci && npm run build`.
func TestClient(t *testing.T) {
	if _, err := os.Stat("dist"); err != nil {
		t.Skip("the client is not built: run npm ci && npm run build in docs/clients/typescript")
	}
	fake := providertest.Start(t, providertest.OpenAI())
	unchecked := func(base http.RoundTripper, _ string) http.RoundTripper { return base }
	s := apitest.Start(t, unchecked, "SQLite", func(cfg *app.Config) {
		cfg.BasePath = "/api/v1"
		cfg.ProviderEndpoints = fake.ProviderEndpoints()
	})
	test := exec.CommandContext(t.Context(), "npm", "test")
	test.Env = append(os.Environ(),
		"MODELPROVIDERS_URL="+s.URL,
		"MODELPROVIDERS_TOKEN="+s.NewToken(t, auth.DefaultWorkspace, auth.Admin),
		"OPENAI_API_KEY="+fake.Credentials["api_key"].(string),
	)
	output, err := test.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, output)
	} else if !strings.Contains(string(output), "# fail 0") {
		t.Errorf("no test ran:\n%s", output)
	}
}
