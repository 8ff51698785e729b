package authtest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// storage implements what the provider needs for the authorization code flow of one
// public client. Other flows panic.
type storage struct {
	op.Storage

	mu         sync.Mutex
	requests   map[string]*authRequest
	codes      map[string]string // code to request
	key        Key
	userClaims Claims
	redirects  []string // where the app may receive codes
}

func newStorage(key Key) *storage {
	return &storage{requests: map[string]*authRequest{}, codes: map[string]string{}, key: key, redirects: []string{redirectURL}}
}

func (s *storage) rotate(key Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.key = key
}

func (s *storage) signingKey() Key {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.key
}

func (s *storage) setUserClaims(claims Claims) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.userClaims = claims
}

func (s *storage) allowRedirect(url string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.redirects = append(s.redirects, url)
}

// signIn sets the user of a request.
func (s *storage) signIn(id, user string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	request, ok := s.requests[id]
	if !ok || user == "" {
		return errors.New("no user, or no such request")
	}
	request.user = user
	return nil
}

func (s *storage) CreateAuthRequest(_ context.Context, asked *oidc.AuthRequest, _ string) (op.AuthRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	request := &authRequest{id: uuid.NewString(), asked: asked, at: time.Now()}
	s.requests[request.id] = request
	return request, nil
}

func (s *storage) AuthRequestByID(_ context.Context, id string) (op.AuthRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	request, ok := s.requests[id]
	if !ok {
		return nil, errors.New("no such request")
	}
	copied := *request
	return &copied, nil
}

func (s *storage) AuthRequestByCode(ctx context.Context, code string) (op.AuthRequest, error) {
	s.mu.Lock()
	id := s.codes[code]
	s.mu.Unlock()
	return s.AuthRequestByID(ctx, id)
}

func (s *storage) SaveAuthCode(_ context.Context, id, code string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.codes[code] = id
	return nil
}

func (s *storage) DeleteAuthRequest(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.requests, id)
	return nil
}

func (s *storage) CreateAccessToken(context.Context, op.TokenRequest) (string, time.Time, error) {
	return uuid.NewString(), time.Now().Add(time.Hour), nil
}

func (s *storage) SigningKey(context.Context) (op.SigningKey, error) {
	return signingKey{s.signingKey()}, nil
}

func (s *storage) SignatureAlgorithms(context.Context) ([]jose.SignatureAlgorithm, error) {
	return []jose.SignatureAlgorithm{s.signingKey().algorithm}, nil
}

func (s *storage) KeySet(context.Context) ([]op.Key, error) {
	return []op.Key{publicKey{s.signingKey()}}, nil
}

func (s *storage) GetClientByClientID(_ context.Context, id string) (op.Client, error) {
	if id != ClientID {
		return nil, errors.New("no such client")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return client{redirects: slices.Clone(s.redirects)}, nil
}

func (s *storage) GetPrivateClaimsFromScopes(context.Context, string, string, []string) (map[string]any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.userClaims, nil
}

func (s *storage) SetUserinfoFromScopes(context.Context, *oidc.UserInfo, string, string, []string) error {
	return nil
}

func (s *storage) Health(context.Context) error { return nil }

// authRequest is a sign-in in progress.
type authRequest struct {
	id    string
	asked *oidc.AuthRequest
	at    time.Time
	user  string // empty: not signed in yet
}

func (r *authRequest) GetID() string          { return r.id }
func (r *authRequest) GetACR() string         { return "" }
func (r *authRequest) GetAMR() []string       { return nil }
func (r *authRequest) GetAudience() []string  { return []string{Audience, ClientID} }
func (r *authRequest) GetAuthTime() time.Time { return r.at }
func (r *authRequest) GetClientID() string    { return r.asked.ClientID }
func (r *authRequest) GetNonce() string       { return r.asked.Nonce }
func (r *authRequest) GetRedirectURI() string { return r.asked.RedirectURI }
func (r *authRequest) GetScopes() []string    { return r.asked.Scopes }
func (r *authRequest) GetState() string       { return r.asked.State }
func (r *authRequest) GetSubject() string     { return r.user }
func (r *authRequest) Done() bool             { return r.user != "" }
func (r *authRequest) GetCodeChallenge() *oidc.CodeChallenge {
	return &oidc.CodeChallenge{Challenge: r.asked.CodeChallenge, Method: r.asked.CodeChallengeMethod}
}
func (r *authRequest) GetResponseType() oidc.ResponseType { return r.asked.ResponseType }
func (r *authRequest) GetResponseMode() oidc.ResponseMode { return r.asked.ResponseMode }

// client is a single-page app: it has no secret and gets JWTs.
type client struct{ redirects []string }

func (client) GetID() string                        { return ClientID }
func (c client) RedirectURIs() []string             { return c.redirects }
func (client) PostLogoutRedirectURIs() []string     { return nil }
func (client) ApplicationType() op.ApplicationType  { return op.ApplicationTypeUserAgent }
func (client) AuthMethod() oidc.AuthMethod          { return oidc.AuthMethodNone }
func (client) ResponseTypes() []oidc.ResponseType   { return []oidc.ResponseType{oidc.ResponseTypeCode} }
func (client) GrantTypes() []oidc.GrantType         { return []oidc.GrantType{oidc.GrantTypeCode} }
func (client) LoginURL(id string) string            { return "/login?id=" + id }
func (client) AccessTokenType() op.AccessTokenType  { return op.AccessTokenTypeJWT }
func (client) IDTokenLifetime() time.Duration       { return time.Hour }
func (client) DevMode() bool                        { return true } // redirects to http are allowed
func (client) IsScopeAllowed(string) bool           { return false }
func (client) IDTokenUserinfoClaimsAssertion() bool { return false }
func (client) ClockSkew() time.Duration             { return 0 }
func (client) RestrictAdditionalIdTokenScopes() func([]string) []string {
	return func(scopes []string) []string { return scopes }
}
func (client) RestrictAdditionalAccessTokenScopes() func([]string) []string {
	return func(scopes []string) []string { return scopes }
}

// signingKey adapts a key for the provider.
type signingKey struct{ key Key }

func (k signingKey) ID() string                                  { return k.key.id }
func (k signingKey) SignatureAlgorithm() jose.SignatureAlgorithm { return k.key.algorithm }
func (k signingKey) Key() any                                    { return k.key.private }

// publicKey adapts the public half of a key for the provider.
type publicKey struct{ key Key }

func (k publicKey) ID() string                         { return k.key.id }
func (k publicKey) Algorithm() jose.SignatureAlgorithm { return k.key.algorithm }
func (k publicKey) Use() string                        { return "sig" }
func (k publicKey) Key() any                           { return k.key.Public() }
