package provider

import (
	"cmp"

	"golang.org/x/oauth2/google"
	"golang.org/x/oauth2/jwt"
)

// googleTokenConfig exchanges assertions of a service account for access tokens
// (RFC 7523), at Google or at the operator's endpoint. The URL in the key file is never
// called.
func googleTokenConfig(account serviceAccount, endpoint string) *jwt.Config {
	return &jwt.Config{
		Email:        account.ClientEmail,
		PrivateKey:   []byte(account.PrivateKey),
		PrivateKeyID: account.PrivateKeyID,
		Scopes:       []string{"https://www.googleapis.com/auth/cloud-platform"},
		TokenURL:     cmp.Or(endpoint, google.JWTTokenURL),
		Audience:     google.JWTTokenURL, // Google checks the assertion, even behind a relay
	}
}

// googleTokenTables are what Google's token endpoint says, {"error":"…",
// "error_description":"…"} (RFC 6749, section 5.2).
var googleTokenTables = tables{
	rules: []rule{
		{status: "429", kind: RateLimited, hint: "Google limits how often access tokens are fetched. Try again in a minute."},
		{status: "5xx", kind: UpstreamError, hint: hintGoogleToken},
		{code: "internal_failure|temporarily_unavailable", kind: UpstreamError, hint: hintGoogleToken},
		{words: "iat and exp|timeframe", kind: Authentication, hint: "Google rejected the time of the signature. Set the clock of the server that runs this service."},
		{status: "400 401", words: "not found|disabled", kind: Authentication, hint: "The service account was deleted or disabled. Enable it in the Google Cloud console, or enter the key of another one."},
		{status: "400 401 403", code: "*", kind: Authentication, hint: "The key was deleted, or does not belong to this service account. Create a new key in the Google Cloud console and paste its whole JSON file."},
		{status: "404 405", kind: Misconfigured, hint: "The configured address is not Google's token endpoint. Ask the operator of this service to correct it."},
	},
	hints: map[FailureKind]string{
		InvalidRequest: "Google refused the service account before the model was called. Enter a new key for it.",
	},
}

const hintGoogleToken = "Google's token service failed. Nothing is wrong with this provider. Try again."
