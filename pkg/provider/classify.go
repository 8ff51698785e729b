package provider

import (
	"cmp"
	"context"
	"errors"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"modelproviders/pkg/egress"
)

// explain turns an error of a call into a failure. What was seen on the wire
// decides first, then the tables by what the answer says; model is empty when
// none was asked.
func (t tables) explain(ctx context.Context, model string, err error) *Failure {
	if f := asFailure(err); f != nil {
		return f
	}
	c := lastCall(ctx)
	if inner, ok := errors.AsType[answerError](err); ok {
		f := t.read(model, c, problem(inner))
		f.HTTPStatus = c.status
		return f
	}
	if f := wireFailure(ctx, c, err); f != nil {
		return f
	}
	if said := c.problem(); c.status >= 400 || said.structured {
		return t.read(model, c, said)
	}
	return foreign(c, err)
}

// answerError is an error inside an answer whose status is a success.
type answerError problem

func (e answerError) Error() string { return "the answer holds an error" }

// problem is what the answer says is wrong, in its body or, as AWS does, in a
// header.
func (c *call) problem() problem {
	said := problemOf(c.page())
	said.code = cmp.Or(awsCode(c.header.Get("X-Amzn-Errortype")), said.code)
	return said
}

func fail(kind FailureKind, message, hint string) *Failure {
	return &Failure{Kind: kind, Message: message, Hint: hint}
}

// foreign explains an answer with a status of success that is not an answer of
// the API.
func foreign(c *call, err error) *Failure {
	const hint = "Try again; if it happens again, the server behind this address does not speak the API of this provider type."
	switch {
	case errors.Is(err, errBrokeOff):
		return fail(UpstreamError, "The stream of "+c.host+" ended before the answer was complete.",
			"Try again; if it happens again, look for a proxy that cuts long answers off.")
	case errors.Is(err, errNoList):
		return fail(UpstreamError, c.host+" answered with something that is not a list of models.", hint)
	}
	return fail(UpstreamError, c.host+" answered with something that is not a model's answer: it is incomplete, or not JSON of the expected form.", hint)
}

// wireFailure explains what can be told without reading the answer: it did not
// come, broke off, came too late, or is not an API's. It returns nil when the
// answer has to be read.
func wireFailure(ctx context.Context, c *call, err error) *Failure {
	switch {
	case c == nil && ctx.Err() != nil:
		return fail(Unreachable, "The time limit was reached before a request could be sent.", "")
	case c == nil:
		return fail(InvalidRequest, "The request could not be built: "+withoutURL(err).Error(), "")
	}
	switch broken := c.broken(); {
	case errors.Is(context.Cause(ctx), errTooLarge) || errors.Is(broken, errTooLarge) || errors.Is(err, errTooLarge):
		return &Failure{Kind: UpstreamError, Message: c.host + " sent more than a model's answer can be; it was not read to its end.", tooLarge: true}
	case errors.Is(err, errNotUTF8):
		return c.brokenOff(ctx, err)
	case c.status >= 400 && !c.isHTML():
		return nil
	case c.status >= 300:
		return c.noAPI()
	case broken != nil:
		return c.brokenOff(ctx, broken)
	case ctx.Err() != nil:
		return c.late(ctx.Err())
	case c.isHTML():
		return c.noAPI()
	}
	return nil
}

// noAPI explains a redirect and an HTML page; nil where the status of a page
// tells more.
func (c *call) noAPI() *Failure {
	switch {
	case c.status < 300, c.status == http.StatusNotFound:
		hint := "Check the address: " + c.endpoint + " was called, and the base URL may lack a path such as /v1, or have one too many."
		if hasWords("request rejected|support id|incident id|access denied|attention required|just a moment", strings.ToLower(string(c.page()))) {
			hint = hintFirewall
		}
		f := fail(Misconfigured, "The answer of "+c.host+" was an HTML page"+titleOf(c.page())+", not the answer of an API.", hint)
		f.noAPI = true
		return f
	case c.status >= 400:
		return nil
	}
	const why = ", which is not followed: the credentials must not go elsewhere."
	to, err := url.Parse(c.header.Get("Location"))
	if err != nil {
		return fail(Misconfigured, c.host+" answered with a redirect"+why, "Enter the address of the API itself.")
	}
	host := c.host
	if to.Host != "" {
		host = to.Scheme + "://" + to.Host
	}
	return fail(Misconfigured, c.host+" answered with a redirect to "+host+why,
		"If "+host+" is the API, enter its address; if it is a sign-in page, the address is not an API's.")
}

// page is what is kept of the body. A secret that was cut at its end is left out.
func (c *call) page() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.status >= 300:
		return c.errorBody
	case len(c.head) < maxHead:
		return c.head
	}
	return c.redact.unfinished(c.head)
}

// brokenOff explains why the request could not be sent, or its answer not be
// read to the end.
func (c *call) brokenOff(ctx context.Context, err error) *Failure {
	if c.status == 0 && ctx.Err() == nil {
		if c.wantsCert.Load() {
			return wantsCertificate(c.host)
		}
		if f := misspoken(c.host, err); f != nil {
			return f
		}
	}
	var blocked *egress.BlockedError
	var coding codingError
	switch {
	case errors.As(err, &blocked) && blocked.Reason == egress.NotPublic:
		return fail(Blocked, blocked.Error(), "Enter an address on the public internet, or ask the operator of this service to allow this one.")
	case errors.As(err, &blocked):
		return fail(Blocked, blocked.Error(), "Enter an address on the public internet.")
	case errors.Is(err, errNotUTF8):
		return fail(UpstreamError, "The answer of "+c.host+" is not valid UTF-8.", "")
	case errors.As(err, &coding):
		return fail(UpstreamError, c.unreadable(coding), "Switch compression off in the server, or in the proxy before it.")
	case errors.Is(err, errHeaderLines):
		return fail(UpstreamError, "The answer of "+c.host+" has too many header lines.", "")
	case ctx.Err() != nil:
		return c.late(ctx.Err())
	case isTimeout(err):
		return c.late(context.DeadlineExceeded)
	case c.status == 0 && !c.connected.Load():
		return unreachable(c.host, err)
	}
	return fail(UpstreamError, c.host+" closed the connection before its answer was complete.",
		"Try again; if it happens again, check that the port is the API's, and look at the log of the server or of a proxy before it.")
}

// unreadable says that the answer is compressed in a way that is not supported.
func (c *call) unreadable(err error) string {
	return c.host + " answered in a " + err.Error() + " that is not supported: the answer must be plain, or in gzip."
}

// late explains that the time limit was reached, or that the caller cancelled.
func (c *call) late(cause error) *Failure {
	switch {
	case errors.Is(cause, context.Canceled):
		return fail(Timeout, "The call was cancelled before the answer of "+c.host+" was complete.", "")
	case !c.connected.Load():
		return fail(Unreachable, "No connection to "+c.host+" was made in time.", "Check host and port, and that no firewall keeps this service from reaching them.")
	}
	return fail(Timeout, c.host+" did not answer completely in time.", "Try again, with a shorter prompt or a lower output limit; a model that is loading may need a minute.")
}

// isTimeout reports whether the transport itself stopped waiting.
func isTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout) && timeout.Timeout()
}

// withoutURL drops what net/http wraps around an error: method and URL, which
// may have a query.
func withoutURL(err error) error {
	var wrapped *url.Error
	for errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return err
}

// htmlTitle finds the title of a page, in whatever case its tags are.
var htmlTitle = regexp.MustCompile(`(?is)<title[^>]*>(.*?)</title`)

// titleOf is the title of an HTML page in brackets; empty when it has none. Its
// length is not bounded here: a secret is found only as a whole.
func titleOf(page []byte) string {
	if found := htmlTitle.FindSubmatch(page); found != nil {
		if title := plainText(found[1]); title != "" {
			return " (“" + title + "”)"
		}
	}
	return ""
}

// plainText is text of a page in one line.
func plainText(text []byte) string {
	return strings.Join(strings.Fields(html.UnescapeString(string(text))), " ")
}

var (
	htmlHidden = regexp.MustCompile(`(?is)<(head|script|style|title)\b.*?</(head|script|style|title)>|<!--.*?-->`)
	htmlTag    = regexp.MustCompile(`(?s)<[^>]*>`)
)

// textOf is what an HTML page shows, after a space; empty when that is nothing
// but the title.
func textOf(page []byte) string {
	text := plainText(htmlTag.ReplaceAll(htmlHidden.ReplaceAll(page, []byte(" ")), []byte(" ")))
	if text == "" || strings.Contains(titleOf(page), text) {
		return ""
	}
	return " " + text
}
