package provider

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
)

// explain turns an error of a call into a failure. It looks at the connection first,
// and then looks the answer up in the tables. model is empty if the call was not for
// a model.
func (t tables) explain(ctx context.Context, model string, err error) *Failure {
	if f := asFailure(err); f != nil {
		return f
	}
	c := lastCall(ctx)
	if said, ok := errors.AsType[answerError](err); ok {
		f := t.classify(c, problem(said), model)
		f.HTTPStatus = c.status
		return f
	}
	if f := transportFailure(ctx, c, err); f != nil {
		return f
	}
	if said := c.problem(); c.status >= 400 || said.structured {
		return t.classify(c, said, model)
	}
	return invalidAnswer(c, err)
}

// answerError is an error inside an answer whose status is a success.
type answerError problem

func (e answerError) Error() string { return "the answer contains an error" }

// problem returns the error that the answer contains, in its body or, from AWS, in a
// header.
func (c *call) problem() problem {
	said := problemOf(c.page())
	said.code = cmp.Or(awsCode(c.header.Get("X-Amzn-Errortype")), said.code)
	return said
}

func fail(kind FailureKind, message, hint string) *Failure {
	return &Failure{Kind: kind, Message: message, Hint: hint}
}

// invalidAnswer explains an answer with a successful status that is not an answer
// of the API.
func invalidAnswer(c *call, err error) *Failure {
	const hint = "Try again. If it happens again, the server at this address may not have the API of this provider type."
	switch {
	case errors.Is(err, errBrokeOff):
		return fail(UpstreamError, "The stream of "+c.host+" ended before the answer was complete.",
			"Try again. If it happens again, look for a proxy that cuts off long answers.")
	case errors.Is(err, errNoList):
		return fail(UpstreamError, c.host+" answered with something that is not a list of models.", hint)
	case errors.Is(err, errNoToken):
		return fail(UpstreamError, c.host+" answered without an access token, so the model was not called.", "Try again. If it happens again, ask the operator of this service to check the address of the token endpoint.")
	}
	return fail(UpstreamError, c.host+" answered with something that is not a model's answer. It is incomplete, or not JSON of the expected form.", hint)
}

// transportFailure explains failures that don't depend on the content of the answer:
// it did not arrive completely, or it is not from an API. Otherwise it returns nil.
func transportFailure(ctx context.Context, c *call, err error) *Failure {
	switch {
	case c == nil && ctx.Err() != nil:
		return fail(Unreachable, "The time limit was reached before a request could be sent.", "")
	case c == nil:
		return fail(InvalidRequest, "The request could not be built: "+withoutURL(err).Error()+".", "")
	}
	switch broken := c.fault; {
	case errors.Is(context.Cause(ctx), errTooLarge) || errors.Is(broken, errTooLarge) || errors.Is(err, errTooLarge):
		return &Failure{Kind: UpstreamError, Message: "The answer of " + c.host + " is too large. It was not read to the end.", tooLarge: true}
	case errors.Is(err, errNotUTF8):
		return c.connectionFailure(ctx, err)
	case c.status == http.StatusNotFound && c.isHTML():
		return c.htmlFailure()
	case c.status >= 400:
		return nil
	case c.status >= 300:
		return c.redirectFailure()
	case broken != nil:
		return c.connectionFailure(ctx, broken)
	case ctx.Err() != nil:
		return c.timeoutFailure(ctx.Err())
	case c.isHTML():
		return c.htmlFailure()
	}
	return nil
}

// htmlFailure explains an HTML page that was received instead of an answer.
func (c *call) htmlFailure() *Failure {
	page := c.page()
	hint := "Check the address. " + c.endpoint + " was called. The path in the base URL may be incomplete or too long, for example without /v1."
	if hasWords("request rejected|support id|incident id|access denied|attention required|just a moment", strings.ToLower(string(page))) {
		hint = hintFirewall
	}
	f := fail(Misconfigured, "The answer of "+c.host+" was an HTML page"+titleOf(page)+", not the answer of an API.", hint)
	f.scope = noAPI
	return f
}

func (c *call) redirectFailure() *Failure {
	const policy = " Redirects are not followed, because the credentials must not go elsewhere."
	to, err := url.Parse(c.header.Get("Location"))
	if err != nil {
		return fail(Misconfigured, c.host+" answered with a redirect."+policy, "Enter the address of the API itself.")
	}
	host := c.host
	if to.Host != "" {
		host = to.Scheme + "://" + to.Host
	}
	return fail(Misconfigured, c.host+" answered with a redirect to "+host+"."+policy,
		"If "+host+" is the API, enter its address. If it is a sign-in page, there is no API at this address.")
}

// page returns the part of the body that was kept. It removes the beginning of a
// secret from its end.
func (c *call) page() []byte {
	if c.status >= http.StatusMultipleChoices || len(c.kept) < maxHead {
		return c.kept
	}
	return c.redact.unfinished(c.kept)
}
