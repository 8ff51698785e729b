package apitest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"maps"
	"sync"
	"testing"
)

// Settings are credentials and config that each provider type accepts. The
// service account is the JSON object itself.
func Settings(t testing.TB) map[string]Object {
	return map[string]Object{
		"openai":    {"credentials": Object{"api_key": "sk-" + Secret}},
		"anthropic": {"credentials": Object{"api_key": "sk-ant-" + Secret}},
		"azure_openai": {
			"credentials": Object{"api_key": "azure-" + Secret},
			"config":      Object{"base_url": "https://my-resource.openai.azure.com", "api_version": "2024-10-21"},
		},
		"aws_bedrock": {
			"credentials": Object{"access_key_id": "AKIA" + Secret, "secret_access_key": "aws-" + Secret},
			"config":      Object{"region": "us-east-1"},
		},
		"gcp_vertex_ai": {
			"credentials": Object{"service_account_json": ServiceAccount(t, nil)},
			"config":      Object{"project": "my-project", "region": "us-central1"},
		},
		"custom": {
			"credentials": Object{"api_key": "custom-" + Secret},
			"config":      Object{"base_url": "https://litellm.example.com"},
		},
	}
}

// ServiceAccount is a Google key file; changes replace or add members, nil
// removes one.
func ServiceAccount(t testing.TB, changes Object) Object {
	t.Helper()
	key, err := privateKey()
	if err != nil {
		t.Fatal(err)
	}
	file := Object{
		"type":                        "service_account",
		"project_id":                  "my-project",
		"private_key_id":              "key-" + Secret,
		"private_key":                 key,
		"client_email":                "models@my-project.iam.gserviceaccount.com",
		"client_id":                   "1234567890",
		"auth_uri":                    "https://accounts.google.com/o/oauth2/auth",
		"token_uri":                   "https://oauth2.googleapis.com/token",
		"auth_provider_x509_cert_url": "https://www.googleapis.com/oauth2/v1/certs",
		"universe_domain":             "googleapis.com",
	}
	maps.Copy(file, changes)
	maps.DeleteFunc(file, func(_ string, value any) bool { return value == nil })
	return file
}

// privateKey makes one key for all tests of a process: it takes a while.
var privateKey = sync.OnceValues(func() (string, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return "", err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", err
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), nil
})
