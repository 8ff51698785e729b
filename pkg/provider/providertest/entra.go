package providertest

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
)

const (
	entraTenant = "8f1d3a52-0000-4000-8000-0123456789ab"
	entraClient = "c2b4e6f8-1111-4111-8111-0123456789ab"
	entraSecret = "abc8Q~Fake+Entra/secret_0123456789abcdef"
	entraScope  = "https://cognitiveservices.azure.com/.default"

	entraTokenPath = "/" + entraTenant + "/oauth2/v2.0/token"
)

// entraToken is an access token that the fake issues: a JWT with an invented signature.
var entraToken = base64.RawURLEncoding.EncodeToString([]byte(`{"typ":"JWT","alg":"RS256","kid":"fake"}`)) + "." +
	base64.RawURLEncoding.EncodeToString([]byte(`{"aud":"https://cognitiveservices.azure.com","appid":"`+entraClient+`","tid":"`+entraTenant+`"}`)) +
	".Fake-Entra_signature-0123456789abcdef"

// answerEntra is the token endpoint of Microsoft Entra ID, for the client-credentials
// grant. Sources: Microsoft identity platform, "OAuth 2.0 client credentials flow" and
// "Microsoft Entra authentication and authorization error codes".
func answerEntra(r *Request) (Answer, bool) {
	if !strings.HasSuffix(r.Path, "/oauth2/v2.0/token") {
		return Answer{}, false
	}
	form, err := url.ParseQuery(string(r.Body))
	switch {
	case err != nil || r.Method != http.MethodPost || r.Query != "" || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" || len(form) != 4:
		return entraError(400, "invalid_request", "AADSTS9002313: Invalid request. Request is malformed or invalid."), true
	case r.Header.Get("Authorization") != "" || r.Header.Get("Api-Key") != "":
		return entraError(401, "invalid_client", "AADSTS7000216: 'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type."), true
	case r.Path != entraTokenPath:
		tenant := strings.Split(r.Path, "/")[1]
		return entraError(400, "invalid_request", "AADSTS90002: Tenant '"+tenant+"' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. Check with your subscription administrator, this may happen if there are no active subscriptions for the tenant."), true
	case form.Get("grant_type") != "client_credentials":
		return entraError(400, "unsupported_grant_type", "AADSTS70003: The app requested an unsupported grant type '"+form.Get("grant_type")+"'."), true
	case form.Get("client_id") != entraClient:
		return entraError(400, "unauthorized_client", "AADSTS700016: Application with identifier '"+form.Get("client_id")+"' was not found in the directory 'Contoso'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant."), true
	case form.Get("client_secret") != entraSecret:
		return entraError(401, "invalid_client", "AADSTS7000215: Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '"+entraClient+"'."), true
	case form.Get("scope") != entraScope:
		return entraError(400, "invalid_scope", "AADSTS1002012: The provided value for scope "+form.Get("scope")+" is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI)."), true
	}
	return jsonAnswer(http.StatusOK, entraHeaders(), map[string]any{
		"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": entraToken,
	}), true
}

const entraTraceID = "6f6c4645-0202-4486-b625-fa957dfc4700"

func entraHeaders() http.Header {
	return Headers("Cache-Control", "no-store, no-cache", "Pragma", "no-cache", "X-Ms-Request-Id", entraTraceID, "X-Ms-Ests-Server", "2.1.19005.9 - NEULR1 ProdSlices")
}

func entraError(status int, name, message string) Answer {
	const correlation, at = "54752956-bf4f-48f1-b808-6ecae2522f59", "2026-05-06 06:03:00Z"
	code, _, _ := strings.Cut(strings.TrimPrefix(message, "AADSTS"), ":")
	return jsonAnswer(status, entraHeaders(), map[string]any{
		"error": name, "error_codes": []any{json.Number(code)}, "timestamp": at, "trace_id": entraTraceID, "correlation_id": correlation,
		"error_description": message + " Trace ID: " + entraTraceID + " Correlation ID: " + correlation + " Timestamp: " + at,
		"error_uri":         "https://login.microsoftonline.com/error?code=" + code,
	})
}
