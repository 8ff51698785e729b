package providertest

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	googleAccount = "caller@my-project.iam.gserviceaccount.com"
	googleKeyID   = "89e86f7c6d5b4a3f2e1d0c9b8a7f6e5d4c3b2a19"
)

// newServiceAccount makes a service account with a fresh key, shorter than
// Google's so that it costs little.
func newServiceAccount() serviceAccount {
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		panic(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	file, err := json.MarshalIndent(map[string]string{
		"type": "service_account", "project_id": "my-project", "private_key_id": googleKeyID,
		"private_key":  string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
		"client_email": googleAccount, "client_id": "108000000000000000001",
		"auth_uri": "https://accounts.google.com/o/oauth2/auth", "token_uri": "https://oauth2.googleapis.com/token",
		"universe_domain": "googleapis.com",
	}, "", "  ")
	if err != nil {
		panic(err)
	}
	return serviceAccount{key: key, file: string(file)}
}

// answerToken is Google's token endpoint: it exchanges a signed assertion for an
// access token. Source: Google, "Using OAuth 2.0 for Server to Server
// Applications", and RFC 7523.
func answerToken(r *Request, key *rsa.PublicKey, now time.Time) (Answer, bool) {
	if r.Path != "/token" {
		return Answer{}, false
	}
	form, err := url.ParseQuery(string(r.Body))
	switch {
	case err != nil || r.Method != http.MethodPost || r.Query != "" || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded":
		return tokenError("invalid_request", "Bad Request"), true
	case form.Get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer":
		return tokenError("unsupported_grant_type", "Invalid grant_type: "+form.Get("grant_type")), true
	}
	if fault := assertionFault(form.Get("assertion"), key, now); fault != "" {
		return tokenError("invalid_grant", fault), true
	}
	return jsonAnswer(http.StatusOK, Headers("Cache-Control", "private"), map[string]any{
		"access_token": vertexToken, "expires_in": 3599, "token_type": "Bearer",
	}), true
}

func tokenError(code, description string) Answer {
	return jsonAnswer(http.StatusBadRequest, Headers(), map[string]any{"error": code, "error_description": description})
}

// assertionFault says, in Google's words, what is wrong with an assertion;
// nothing when it is right.
func assertionFault(assertion string, key *rsa.PublicKey, now time.Time) string {
	parts := strings.Split(assertion, ".")
	if len(parts) != 3 {
		return "Invalid JWT: it has " + strconv.Itoa(len(parts)) + " parts"
	}
	var header struct{ Alg, Typ, Kid string }
	var claims struct {
		Iss, Aud, Scope string
		Iat, Exp        int64
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || decodePart(parts[0], &header) != nil || decodePart(parts[1], &claims) != nil {
		return "Invalid JWT: it cannot be decoded"
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	switch {
	case header.Alg != "RS256" || header.Kid != googleKeyID || rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature) != nil:
		return "Invalid JWT Signature."
	case claims.Iss != googleAccount:
		return "Invalid grant: account not found"
	case claims.Aud != "https://oauth2.googleapis.com/token":
		return "Invalid JWT: Failed audience check."
	case claims.Scope != "https://www.googleapis.com/auth/cloud-platform":
		return "Invalid scope: " + claims.Scope
	case claims.Exp-claims.Iat > 3600 || now.Unix() > claims.Exp || claims.Iat > now.Unix()+300:
		return "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values in the JWT claim."
	}
	return ""
}

func decodePart(part string, into any) error {
	text, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return err
	}
	return json.NewDecoder(bytes.NewReader(text)).Decode(into)
}
