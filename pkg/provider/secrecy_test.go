package provider_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"modelproviders/pkg/provider"
	"modelproviders/pkg/provider/providertest"
)

func echoed(t *testing.T, server *providertest.Server) {
	client := open(t, server)
	server.Use(providertest.Echo)
	for _, stream := range []bool{false, true} {
		result, deltas := client.generate(t, stream)
		succeeded(t, result)
		checkSilent(t, server, result.Response, "response")
		checkSilent(t, server, strings.Join(deltas, ""), "deltas")
		if !strings.HasPrefix(result.Response, "Here they are: [••••]") || !strings.HasSuffix(result.Response, "that is all.") {
			t.Errorf("response %.200q", result.Response)
		}
		if stream && strings.Join(deltas, "") != result.Response {
			t.Error("the deltas are not the response")
		}
	}
	server.Use(providertest.EchoError)
	result, _ := client.generate(t, false)
	failed(t, result, provider.Authentication)
	all, err := json.Marshal(result)
	if err != nil {
		t.Fatal(err)
	}
	checkSilent(t, server, string(all), "failure")
	if !strings.Contains(string(all), "••••") {
		t.Errorf("nothing was cut out of %s", all)
	}
	_, err = client.Models(t.Context())
	all = encode(t, asFailure(t, err))
	checkSilent(t, server, string(all), "discovery")
}

// checkSilent checks that no credential can be read in a text.
func checkSilent(t *testing.T, server *providertest.Server, text, where string) {
	t.Helper()
	for _, secret := range server.Secrets() {
		for _, form := range providertest.Disguises(secret) {
			if strings.Contains(text, form) {
				t.Errorf("the %s has a credential as %.80q", where, form)
			}
		}
	}
}

// environment sets every variable by which an SDK can be led astray.
func environment(t *testing.T, server *providertest.Server) {
	var seen atomic.Int64
	trap := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { seen.Add(1) }))
	defer trap.Close()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	aws := write("aws", "[default]\nregion=eu-west-3\nendpoint_url="+trap.URL+"\naws_access_key_id=AKIATRAP\naws_secret_access_key=trap\naws_session_token=trap\n[profile trap]\nrole_arn=arn:aws:iam::1:role/trap\nsource_profile=default\nendpoint_url="+trap.URL+"\n")
	google := write("google.json", `{"type":"authorized_user","client_id":"trap","client_secret":"trap","refresh_token":"trap","token_uri":"`+trap.URL+`"}`)
	for name, value := range map[string]string{
		"OPENAI_API_KEY": "sk-trap", "OPENAI_BASE_URL": trap.URL, "OPENAI_ORG_ID": "org-trap", "OPENAI_PROJECT_ID": "proj-trap",
		"OPENAI_ADMIN_KEY": "sk-admin-trap", "OPENAI_CUSTOM_HEADERS": "OpenAI-Organization: trap", "OPENAI_LOG": "debug",
		"OPENAI_ORGANIZATION": "org-trap", "OPENAI_PROJECT": "proj-trap", "OPENAI_API_VERSION": "trap",
		"AZURE_OPENAI_API_KEY": "trap", "AZURE_OPENAI_ENDPOINT": trap.URL, "AZURE_OPENAI_AD_TOKEN": "trap",
		"AZURE_TENANT_ID": "trap", "AZURE_CLIENT_ID": "trap", "AZURE_CLIENT_SECRET": "trap", "AZURE_AUTHORITY_HOST": trap.URL,
		"AZURE_FEDERATED_TOKEN_FILE": google, "IDENTITY_ENDPOINT": trap.URL, "IDENTITY_HEADER": "trap", "MSI_ENDPOINT": trap.URL,
		"ANTHROPIC_API_KEY": "sk-ant-trap", "ANTHROPIC_AUTH_TOKEN": "trap", "ANTHROPIC_BASE_URL": trap.URL, "ANTHROPIC_CUSTOM_HEADERS": "X-Trap: 1", "ANTHROPIC_LOG": "debug",
		"AWS_ACCESS_KEY_ID": "AKIATRAP", "AWS_SECRET_ACCESS_KEY": "trap", "AWS_SESSION_TOKEN": "trap", "AWS_BEARER_TOKEN_BEDROCK": "trap",
		"AWS_PROFILE": "trap", "AWS_CONFIG_FILE": aws, "AWS_SHARED_CREDENTIALS_FILE": aws, "AWS_REGION": "eu-west-3", "AWS_DEFAULT_REGION": "eu-west-3",
		"AWS_ENDPOINT_URL": trap.URL, "AWS_ENDPOINT_URL_BEDROCK": trap.URL, "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": trap.URL,
		"AWS_EC2_METADATA_SERVICE_ENDPOINT": trap.URL, "AWS_CONTAINER_CREDENTIALS_FULL_URI": trap.URL, "AWS_USE_FIPS_ENDPOINT": "true",
		"AWS_LAMBDA_FUNCTION_NAME": "trap", "_X_AMZN_TRACE_ID": "Root=1-trap", "AWS_WEB_IDENTITY_TOKEN_FILE": google, "AWS_ROLE_ARN": "arn:aws:iam::1:role/trap", "AWS_ROLE_SESSION_NAME": "trap",
		"AWS_ENDPOINT_URL_STS": trap.URL, "AWS_STS_REGIONAL_ENDPOINTS": "legacy", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/trap",
		"AWS_CONTAINER_AUTHORIZATION_TOKEN": "trap", "AWS_AUTH_SCHEME_PREFERENCE": "httpBearerAuth", "AWS_USE_DUALSTACK_ENDPOINT": "true",
		"GOOGLE_APPLICATION_CREDENTIALS": google, "GOOGLE_API_KEY": "trap", "GOOGLE_CLOUD_PROJECT": "trap", "GOOGLE_CLOUD_QUOTA_PROJECT": "trap",
		"GCE_METADATA_HOST": strings.TrimPrefix(trap.URL, "http://"), "GEMINI_API_KEY": "trap", "CLOUD_ML_REGION": "europe-west9",
		"HTTP_PROXY": trap.URL, "HTTPS_PROXY": trap.URL, "ALL_PROXY": trap.URL, "http_proxy": trap.URL, "https_proxy": trap.URL, "NO_PROXY": "",
		"SSL_CERT_FILE": google,
	} {
		t.Setenv(name, value)
	}
	client := open(t, server)
	for _, stream := range []bool{false, true} {
		result, _ := client.generate(t, stream)
		checkSuccess(t, server, result)
	}
	if _, err := client.Models(t.Context()); err != nil {
		t.Error(err)
	}
	for _, r := range server.Requests() {
		if text := fmt.Sprint(r.Header, r.Query, string(r.Body)); strings.Contains(strings.ToLower(text), "trap") {
			t.Errorf("something of the environment was sent: %s", text)
		}
	}
	if seen.Load() > 0 {
		t.Error("the environment led a request astray")
	}
	if sent, came := client.sent.Load(), int64(len(server.Requests())); sent < came {
		t.Errorf("%d requests came, %d went through the guarded transport", came, sent)
	}
}
