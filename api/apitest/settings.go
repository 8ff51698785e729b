package apitest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"maps"
	"sync"
	"testing"

	"modelproviders/pkg/provider"
)

// Settings are credentials and config that each provider type accepts, by the
// name of the type: every credential holds [Secret], and config has the
// placeholders of the type's form. A service account is the JSON object itself.
func Settings(t testing.TB) map[string]Object {
	settings := map[string]Object{}
	for _, typ := range provider.Types() {
		form := typ.Form()
		credentials, config := Object{}, Object{}
		for _, f := range form.Credentials {
			credentials[f.Name] = f.Name + "-" + Secret
			if f.Kind == "secret_json" {
				credentials[f.Name] = ServiceAccount(t, nil)
			}
		}
		for _, f := range form.Config {
			config[f.Name] = f.Placeholder
		}
		settings[form.Type] = Object{"credentials": credentials, "config": config}
	}
	return settings
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
