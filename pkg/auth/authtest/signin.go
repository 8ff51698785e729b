package authtest

import (
	"errors"
	"net/http"
	"testing"

	"golang.org/x/oauth2"
)

// redirectURL is where the app receives the authorization code.
const redirectURL = "https://app.example.com/callback"

// errAtApp stops following redirects.
var errAtApp = errors.New("the browser is back at the app")

// SignIn signs a user in as a single-page app does, by the authorization code
// flow with PKCE (RFC 7636), and returns the access token and the ID token.
func (i *Issuer) SignIn(t testing.TB, user string) (accessToken, idToken string) {
	t.Helper()
	app := &oauth2.Config{
		ClientID: ClientID, RedirectURL: redirectURL, Scopes: []string{"openid"},
		Endpoint: oauth2.Endpoint{AuthURL: i.URL + "/authorize", TokenURL: i.URL + "/oauth/token", AuthStyle: oauth2.AuthStyleInParams},
	}
	verifier := oauth2.GenerateVerifier()
	code := i.authorize(t, app.AuthCodeURL("state-1", oauth2.S256ChallengeOption(verifier)), user)

	if _, err := app.Exchange(t.Context(), code, oauth2.VerifierOption(oauth2.GenerateVerifier())); err == nil {
		t.Fatal("the issuer takes a code without its verifier: PKCE is off")
	}
	code = i.authorize(t, app.AuthCodeURL("state-2", oauth2.S256ChallengeOption(verifier)), user)
	token, err := app.Exchange(t.Context(), code, oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal("exchange the code: ", err)
	}
	idToken, _ = token.Extra("id_token").(string)
	return token.AccessToken, idToken
}

// authorize follows the issuer's redirects as a browser does, and returns the code that
// the app receives.
func (i *Issuer) authorize(t testing.TB, url, user string) string {
	t.Helper()
	var code string
	browser := &http.Client{
		Transport: i.server.Client().Transport,
		CheckRedirect: func(next *http.Request, _ []*http.Request) error {
			next.Header.Set("X-User", user)
			if next.URL.Host != "app.example.com" {
				return nil
			}
			code = next.URL.Query().Get("code")
			return errAtApp
		},
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := browser.Do(req)
	if answer != nil {
		_ = answer.Body.Close()
	}
	if !errors.Is(err, errAtApp) || code == "" {
		t.Fatalf("the sign-in does not lead back to the app: %v, %v", answer, err)
	}
	return code
}
