package api

import (
	"encoding/json"
	"time"

	"github.com/labstack/echo/v4"

	"modelproviders/pkg/auth"
	"modelproviders/pkg/fault"
)

// me is who is calling.
type me struct {
	// The id of a token, or the subject of a user at the OIDC issuer.
	Subject string `json:"subject" example:"0199d1a4-7c20-7c44-a1b5-93d1e5f0c8aa"`
	// The name of the token, or the e-mail address or user name that the OIDC issuer gave; empty if there is none.
	Name string `json:"name" example:"Deploy script"`
	// How the caller signed in: with an API token, with an access token of the OIDC issuer, or not at all because authentication is off.
	Kind string `json:"kind" enums:"token,oidc,none" example:"token"`
	// The workspace whose providers the caller sees.
	Workspace string `json:"workspace" example:"default"`
	// The caller's role; null if scopes were granted individually.
	Role *string `json:"role" extensions:"x-nullable,x-ref=Role" example:"admin"`
	// What the caller may do.
	Scopes []string `json:"scopes" extensions:"x-ref=Scope" example:"providers:read"`
} //	@name	Me

// tokenResponse is an API token, without its value.
type tokenResponse struct {
	// The id, a UUIDv7.
	ID string `json:"id" format:"uuid" example:"0199d1a4-7c20-7c44-a1b5-93d1e5f0c8aa"`
	// The display name.
	Name string `json:"name" minLength:"1" maxLength:"100" example:"Deploy script"`
	// The workspace of the token.
	Workspace string `json:"workspace" example:"default"`
	// The role; null if scopes were granted individually.
	Role *string `json:"role" extensions:"x-nullable,x-ref=Role" example:"editor"`
	// The scopes.
	Scopes []string `json:"scopes" extensions:"x-ref=Scope" example:"providers:read"`
	// When it was created.
	CreatedAt timestamp `json:"created_at" swaggertype:"string" format:"date-time" example:"2026-11-23T09:30:00.000Z"`
	// When the token expires; null for never.
	ExpiresAt *timestamp `json:"expires_at" extensions:"x-nullable" swaggertype:"string" format:"date-time" example:"2027-11-23T09:30:00.000Z"`
	// When the token was last used, to the minute; null if never.
	LastUsedAt *timestamp `json:"last_used_at" extensions:"x-nullable" swaggertype:"string" format:"date-time" example:"2026-11-23T09:31:00.000Z"`
	// When the token was revoked; null if it was not.
	RevokedAt *timestamp `json:"revoked_at" extensions:"x-nullable" swaggertype:"string" format:"date-time" example:"2026-11-24T09:30:00.000Z"`
} //	@name	Token

// tokenCreated is a new API token with its value, which can't be read again.
type tokenCreated struct {
	tokenResponse
	// The value of the token.
	Token string `json:"token" format:"password" example:"mp_2Kx9…"`
} //	@name	TokenCreated

// tokenList is one page of tokens.
type tokenList struct {
	// The tokens of this page, newest first.
	Data []tokenResponse `json:"data"`
	// The cursor of the next page; null on the last page.
	NextCursor *string `json:"next_cursor" extensions:"x-nullable" example:"AZ3J0o7k"`
} //	@name	TokenList

// tokenCreate is a token to create, with a role or with scopes.
type tokenCreate struct {
	// The display name.
	Name string `json:"name" strict:"trim" validate:"required,min=1,max=100,text" example:"Deploy script"`
	// The role, which stands for a set of scopes.
	Role *string `json:"role,omitempty" extensions:"x-ref=Role" example:"editor"`
	// The scopes, instead of a role.
	Scopes *[]string `json:"scopes,omitempty" validate:"omitempty,min=1,max=100,unique,dive,distinct" extensions:"x-ref=Scope" example:"providers:read"`
	// When the token expires (RFC 3339). If omitted, it never does.
	ExpiresAt *string `json:"expires_at,omitempty" format:"date-time" example:"2027-11-23T09:30:00.000Z"`
} //	@name	TokenCreate

// @Summary	Get the caller's identity
// @Success	200	{object}	me
// @Router		/me [get]
func (a *API) getMe(c echo.Context) (any, error) {
	p := principal(c)
	return me{
		Subject: p.Subject, Name: p.Name, Kind: p.Kind, Workspace: p.Workspace, Role: orNull(string(p.Role)), Scopes: names(p.Scopes),
	}, nil
}

// @Summary		List API tokens
// @Description	Lists the tokens that are not revoked, or with `revoked=true` those that are, newest first, without their values. Expired tokens are listed until they are revoked.
// @Param			revoked	query		bool	false	"Only revoked tokens, instead of those that are not revoked"
// @Success		200		{object}	tokenList
// @Router			/tokens [get]
func (a *API) listTokens(c echo.Context) (any, error) {
	q := newQuery(c)
	revoked := orZero(q.flag("revoked"))
	page, err := q.page()
	if err != nil {
		return nil, err
	}
	workspace := principal(c).Workspace
	tokens, next, err := readPage(a.Keyset, listing{"tokens", workspace, revoked}, page, func(before *auth.TokenPosition, limit int) ([]auth.Token, error) {
		return a.Tokens.List(c.Request().Context(), workspace, auth.TokenQuery{Revoked: revoked, Before: before, Limit: limit})
	}, func(t auth.Token) auth.TokenPosition { return auth.TokenPosition{CreatedAt: t.CreatedAt, ID: t.ID} })
	return tokenList{Data: mapped(tokens, toToken), NextCursor: next}, err
}

// @Summary		Create an API token
// @Description	Creates a token for the caller's workspace. Only this response contains its value. Callers can grant only scopes that they have. Idempotency-Key is refused because the response contains a secret and is not stored.
// @Param			body	body		tokenCreate	true	"The token"
// @Success		201		{object}	tokenCreated
// @Router			/tokens [post]
func (a *API) createToken(c echo.Context, body tokenCreate, problems fault.Problems) (any, error) {
	if len(c.Request().Header.Values(headerIdempotencyKey)) > 0 {
		faults := fault.Fields{{Name: headerIdempotencyKey, Code: fault.Invalid, Message: "is not supported here because the response contains a secret and is not stored"}}
		return nil, faults.Err(fault.MalformedRequest, "Tokens can't be created with an Idempotency-Key.")
	}
	in := auth.NewToken{Name: body.Name, Role: body.Role, Scopes: orZero(body.Scopes), Problems: problems}
	if body.ExpiresAt != nil {
		expires, err := time.Parse(time.RFC3339, *body.ExpiresAt)
		if err != nil {
			in.Problems.Invalid.Add("expires_at", fault.Invalid, "must be a time such as 2027-01-31T09:30:00Z (RFC 3339)")
		} else {
			in.ExpiresAt = &expires
		}
	}
	value, token, err := a.Tokens.Create(c.Request().Context(), principal(c), in)
	if err != nil {
		return nil, err
	}
	c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
	return created{"/tokens/" + token.ID, tokenCreated{tokenResponse: toToken(token), Token: value}}, nil
}

// @Summary		Revoke an API token
// @Description	Takes effect immediately in the process that answers, and within a second in all others. The workspace's last admin token can't be revoked here.
// @Success		204
// @Failure		409	{object}	problem
// @Router			/tokens/{id} [delete]
func (a *API) revokeToken(c echo.Context) (any, error) {
	return nil, a.Tokens.Revoke(c.Request().Context(), principal(c), c.Param("id"))
}

// MarshalToken returns a token as JSON, in the form in which the API answers it: with
// its value if that is not empty, as after its creation.
func MarshalToken(t auth.Token, value string) ([]byte, error) {
	if value != "" {
		return json.Marshal(tokenCreated{tokenResponse: toToken(t), Token: value})
	}
	return json.Marshal(toToken(t))
}

func toToken(t auth.Token) tokenResponse {
	return tokenResponse{
		ID: t.ID, Name: t.Name, Workspace: t.Workspace, Role: orNull(string(t.Role)), Scopes: names(t.Scopes),
		CreatedAt: timestamp(t.CreatedAt), ExpiresAt: (*timestamp)(t.ExpiresAt), LastUsedAt: (*timestamp)(t.LastUsedAt), RevokedAt: (*timestamp)(t.RevokedAt),
	}
}
