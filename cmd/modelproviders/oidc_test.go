package main

import (
	"path/filepath"
	"strings"
	"testing"

	"modelproviders/pkg/auth/authtest"
)

func TestRefusedOIDCSettings(t *testing.T) {
	tests := map[string]struct {
		set   map[string]string // the names without the prefix
		words []string
	}{
		"issuer without audience": {map[string]string{"ISSUER": "https://login.example.com"}, []string{"audience"}},
		"issuer in the clear":     {map[string]string{"ISSUER": "http://login.example.com", "AUDIENCE": "mp"}, []string{"http://login.example.com", "https"}},
		"roles of no claim":       {map[string]string{"ISSUER": "https://login.example.com", "AUDIENCE": "mp", "ROLES": "staff=viewer"}, []string{"role claim"}},
		"client without issuer":   {map[string]string{"CLIENT_ID": "console"}, []string{"MODELPROVIDERS_OIDC_ISSUER"}},
		"role nobody knows":       {map[string]string{"ISSUER": "https://login.example.com", "AUDIENCE": "mp", "ROLE_CLAIM": "groups", "ROLES": "staff=owner"}, []string{"staff=owner"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			variables := map[string]string{"MODELPROVIDERS_ADDR": "127.0.0.1:0", "MODELPROVIDERS_DATA_DIR": dir}
			for name, value := range test.set {
				variables[environmentPrefix+"OIDC_"+name] = value
			}
			refused(t, variables, nil, append(test.words, "MODELPROVIDERS_OIDC_")...)
			for path := range contentsOf(t, dir) {
				t.Errorf("the refused start made %s", path)
			}
		})
	}
}

// TestOIDCSettings starts the program with all settings of sign-ins, as
// environment variables and as flags, and signs users in.
func TestOIDCSettings(t *testing.T) {
	issuer := authtest.Start(t)
	set := map[string]string{
		"OIDC_ISSUER": issuer.URL, "OIDC_AUDIENCE": authtest.Audience,
		"OIDC_CLIENT_ID": authtest.ClientID, "OIDC_SCOPES": "openid models", "OIDC_ROLE_CLAIM": "realm.groups", "OIDC_ROLES": "staff=viewer,leads=editor", "OIDC_WORKSPACE_CLAIM": "org",
	}
	for _, how := range []string{"environment", "flags"} {
		t.Run(how, func(t *testing.T) {
			variables, args := map[string]string{}, []string{"--data-dir", filepath.Join(t.TempDir(), "data")}
			for name, value := range set {
				if how == "environment" {
					variables[environmentPrefix+name] = value
				} else {
					args = append(args, "--"+strings.ToLower(strings.ReplaceAll(name, "_", "-"))+"="+value)
				}
			}
			s := start(t, variables, args...)
			s.must(t, 200, "GET", "/console/config.json", "").is(t, 200, map[string]string{
				"issuer": issuer.URL, "client_id": authtest.ClientID, "scopes": "openid models", "audience": authtest.Audience,
			})
			as := func(org string, groups ...string) {
				s.token = issuer.AccessToken(t, authtest.Claims{"org": org, "realm": map[string]any{"groups": groups}})
			}
			as("acme", "leads")
			path := "/providers/" + s.must(t, 201, "POST", "/providers", aProvider).text("id")
			as("acme", "staff")
			s.must(t, 200, "GET", path, "")
			s.must(t, 403, "DELETE", path, "")
			as("other", "leads")
			s.must(t, 404, "DELETE", path, "")
			as("acme", "admin")
			s.must(t, 403, "GET", path, "")
			as("", "leads")
			s.must(t, 401, "GET", path, "")
			s.token = issuer.AccessToken(t, authtest.Claims{"aud": "https://another.example.com", "org": "acme", "realm": map[string]any{"groups": []string{"leads"}}})
			s.must(t, 401, "GET", path, "")
		})
	}
}

func TestWithoutAnIssuerNoJWTIsTaken(t *testing.T) {
	issuer := authtest.Start(t)
	s := start(t, nil, "--data-dir", filepath.Join(t.TempDir(), "data"))
	s.token = issuer.AccessToken(t, authtest.Claims{"role": "admin"})
	s.must(t, 401, "GET", "/providers", "")
	if discovery, keys := issuer.Asked(); discovery+keys > 0 {
		t.Error("an issuer that is not configured was asked")
	}
}
