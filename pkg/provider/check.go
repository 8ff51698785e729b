package provider

import "context"

// CheckResult is the outcome of a check. Of the Result it has the failure and what is
// known about the call.
type CheckResult struct {
	Result

	// Listed is whether a list of models was read.
	Listed bool
	// Proven is whether the upstream has accepted the credentials.
	Proven bool
	// Detail says what was found and what was not checked. It is empty on failure.
	Detail string
}

// openLister is an upstream that may list its models without credentials.
type openLister interface {
	// unchecked says, in a sentence, why the list that was just read does not prove the
	// credentials; empty: it does.
	unchecked(ctx context.Context) string
}

// Check implements [Client.Check].
func (c *client) Check(ctx context.Context) CheckResult {
	e := &exchange{redact: c.redact.child()}
	defer e.redact.wipe()
	ctx = withExchange(ctx, e)
	d, err := c.discover(ctx, e)
	failure := asFailure(err)
	r := CheckResult{Listed: d.Supported}
	if lister, mayBeOpen := c.upstream.(openLister); mayBeOpen && r.Listed {
		r.Detail = lister.unchecked(ctx)
	}
	switch {
	case failure != nil && failure.Kind == Permission && !failure.OfProvider():
		r.Detail = "The provider does not allow these credentials to list models, so they were not checked. Test a model to check them."
	case failure != nil:
		r.Failure = failure
	case !d.Supported:
		r.Detail = "The provider has no list of models, so the credentials were not checked. Test a model to check them."
	case r.Detail != "":
	default:
		r.Proven, r.Detail = true, "The provider accepts the credentials."
		if c.typ.unproven != "" {
			r.Detail += " " + c.typ.unproven
		}
	}
	c.measure(&r.Result, e, answer{}, &output{})
	return r
}
