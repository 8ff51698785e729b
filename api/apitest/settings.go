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

// Settings are type, credentials and config of a provider of each type, by the name of
// the type: every credential holds [Secret], and config has the placeholders of the
// type's form. A service account is the JSON object itself. Of a type with several
// authentication methods, they are those of the default; those of another one have the
// name of the type and of the method, as in `azure_openai entra_id`.
func Settings(t testing.TB) map[string]Object {
	settings := map[string]Object{}
	for _, typ := range provider.Types() {
		form := typ.Form()
		settings[form.Type] = settingsOf(t, form, "")
		for i, method := range form.AuthMethods {
			name := form.Type
			if i > 0 {
				name += " " + method.Name
			}
			settings[name] = settingsOf(t, form, method.Name)
		}
	}
	return settings
}

func settingsOf(t testing.TB, form provider.Form, method string) Object {
	credentials, config := Object{}, Object{}
	for _, f := range form.Credentials {
		switch {
		case f.AuthMethod != "" && f.AuthMethod != method:
		case f.Kind == "secret_json":
			credentials[f.Name] = ServiceAccount(t, nil)
		case f.Kind == provider.KindSecretMap:
			credentials[f.Name] = Object{f.Placeholder: f.Name + "-" + Secret}
		default:
			credentials[f.Name] = f.Name + "-" + Secret
		}
	}
	for _, f := range form.Config {
		if f.AuthMethod == "" || f.AuthMethod == method {
			config[f.Name] = f.Placeholder
		}
	}
	return Object{"type": form.Type, "credentials": credentials, "config": config}
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
