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

// foreign explains an answer with a status of success that is not what the API
// answers.
func foreign(c *call, err error) *Failure {
	f := &Failure{Kind: UpstreamError, Hint: "Try again; if it stays, the server behind this address does not speak the API of this provider type."}
	switch {
	case errors.Is(err, errBrokeOff):
		f.Message = "The stream of " + c.host + " ended before the answer was complete."
		f.Hint = "Try again; if it stays, look for a proxy that cuts long answers off."
	case errors.Is(err, errNoList):
		f.Message = c.host + " answered with something that is not a list of models."
	default:
		f.Message = c.host + " answered with something that is not a model's answer: it is incomplete, or not JSON of the expected form."
	}
	return f
}

// wireFailure explains what can be told without reading the answer: it did not
// come, broke off, came too late, or is no API's. It returns nil when the
// answer has to be read.
func wireFailure(ctx context.Context, c *call, err error) *Failure {
	if c == nil {
		return unsent(ctx, err)
	}
	switch broken := c.broken(); {
	case errors.Is(context.Cause(ctx), errTooLarge) || errors.Is(broken, errTooLarge) || errors.Is(err, errTooLarge):
		return &Failure{Kind: UpstreamError, Message: c.host + " sent more than a model's answer can have; it was not read to its end.", tooLarge: true}
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

// unsent explains why no request was made.
func unsent(ctx context.Context, err error) *Failure {
	if ctx.Err() != nil {
		return &Failure{Kind: Unreachable, Message: "The time was up before a request could be sent."}
	}
	return &Failure{Kind: InvalidRequest, Message: "No request could be made of this: " + withoutURL(err).Error()}
}

// noAPI explains a redirect and an HTML page; nil where the status of a page
// tells more than that it is one.
func (c *call) noAPI() *Failure {
	if c.status >= 300 && c.status < 400 {
		f := &Failure{
			Kind:    Misconfigured,
			Message: c.host + " answered with a redirect, which is not followed: the credentials must not go elsewhere.",
			Hint:    "Enter the address of the API itself.",
		}
		if to := redirectHost(c); to != "" {
			f.Message = c.host + " answered with a redirect to " + to + ", which is not followed: the credentials must not go elsewhere."
			f.Hint = "If " + to + " is the API, enter its address; if it is a sign-in page, the address is not an API's."
		}
		return f
	}
	if c.status >= 400 && c.status != http.StatusNotFound {
		return nil
	}
	f := &Failure{
		Kind:    Misconfigured,
		Message: "The answer of " + c.host + " was an HTML page" + titleOf(c.page()) + ", not the answer of an API.",
		noAPI:   true,
		Hint:    "Is the address right? " + c.endpoint + " was called: the base URL may lack a path (such as /v1) or have one too many.",
	}
	if hasWords("request rejected|support id|incident id|access denied|attention required|just a moment", strings.ToLower(string(c.page()))) {
		f.Hint = hintWall
	}
	return f
}

// page is what is kept of the body. Where it is cut, no secret begins at its end.
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

// redirectHost is the host that a redirect points to; empty when unknown.
func redirectHost(c *call) string {
	to, err := url.Parse(c.header.Get("Location"))
	if err != nil {
		return ""
	}
	if to.Host == "" {
		return c.host
	}
	return to.Scheme + "://" + to.Host
}

// brokenOff explains why the request could not be sent, or its answer not be
// read to the end.
func (c *call) brokenOff(ctx context.Context, err error) *Failure {
	var blocked *egress.BlockedError
	var coding codingError
	if c.status == 0 && ctx.Err() == nil {
		c.mu.Lock()
		asked := c.asked
		c.mu.Unlock()
		if asked {
			return wantsCertificate(c.host)
		}
		if f := misspoken(c.host, err); f != nil {
			return f
		}
	}
	switch {
	case errors.As(err, &blocked):
		f := &Failure{Kind: Blocked, Message: blocked.Error(), Hint: "Enter an address on the public internet."}
		if blocked.Reason == egress.NotPublic {
			f.Hint = "Enter an address on the public internet, or ask the operator of this service to allow this one."
		}
		return f
	case errors.Is(err, errNotUTF8):
		return &Failure{Kind: UpstreamError, Message: "The answer of " + c.host + " is broken: it is not valid UTF-8."}
	case errors.As(err, &coding):
		return &Failure{
			Kind: UpstreamError, Message: c.unreadable(coding),
			Hint: "Switch compression off in the server, or in the proxy before it.",
		}
	case errors.Is(err, errHeaderLines):
		return &Failure{Kind: UpstreamError, Message: "The answer of " + c.host + " has more header lines than are read."}
	case ctx.Err() != nil:
		return c.late(ctx.Err())
	case isTimeout(err):
		return c.late(context.DeadlineExceeded)
	case c.status == 0 && !c.reached():
		return unreachable(c.host, err)
	}
	return &Failure{
		Kind:    UpstreamError,
		Message: c.host + " closed the connection before its answer was complete.",
		Hint:    "Try again; if it stays, check that the port is the API's, and look at the log of the server or of a proxy before it.",
	}
}

// unreadable says that the answer is compressed in a way that is not read here.
func (c *call) unreadable(err error) string {
	return c.host + " answered in a " + err.Error() + ", which is not read here: the answer has to be plain, or in gzip."
}

// late explains that the time was up.
func (c *call) late(cause error) *Failure {
	if errors.Is(cause, context.Canceled) {
		return &Failure{Kind: Timeout, Message: "The call was cancelled before the answer of " + c.host + " was complete."}
	}
	if !c.reached() {
		return &Failure{
			Kind: Unreachable, Message: "No connection to " + c.host + " came about in time.",
			Hint: "Check host and port, and that no firewall keeps this service from reaching them.",
		}
	}
	return &Failure{
		Kind: Timeout, Message: c.host + " did not answer completely in time.",
		Hint: "Try again, with a shorter prompt or a lower output limit; a model that is loading may need a minute.",
	}
}

// isTimeout reports whether the transport itself gave up waiting.
func isTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout) && timeout.Timeout()
}

// withoutURL drops what net/http wraps around an error: method and URL, which
// may hold a query.
func withoutURL(err error) error {
	var wrapped *url.Error
	for errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return err
}

// htmlTitle finds the title of a page, in whatever case its tags are.
var htmlTitle = regexp.MustCompile(`(?is)<title[^>]*>(.*?)</title`)

// titleOf is the title of an HTML page in brackets; empty when it has none. It
// is not cut short here: of a secret that was cut through nothing could be found
// any more.
func titleOf(page []byte) string {
	found := htmlTitle.FindSubmatch(page)
	if found == nil {
		return ""
	}
	title := strings.Join(strings.Fields(html.UnescapeString(string(found[1]))), " ")
	if title == "" {
		return ""
	}
	return " (“" + title + "”)"
}

var (
	htmlHidden = regexp.MustCompile(`(?is)<(head|script|style|title)\b.*?</(head|script|style|title)>|<!--.*?-->`)
	htmlTag    = regexp.MustCompile(`(?s)<[^>]*>`)
)

// textOf is what an HTML page shows, after a space; empty when that is nothing.
// Like the title it is not cut short here.
func textOf(page []byte) string {
	shown := htmlTag.ReplaceAll(htmlHidden.ReplaceAll(page, []byte(" ")), []byte(" "))
	text := strings.Join(strings.Fields(html.UnescapeString(string(shown))), " ")
	if text == "" || strings.Contains(titleOf(page), text) {
		return ""
	}
	return " " + text
}
