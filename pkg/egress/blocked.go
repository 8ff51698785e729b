package egress

import "fmt"

// setting is what the operator allows upstreams with.
const setting = "MODELPROVIDERS_ALLOW_UPSTREAMS"

// Reason says why a call was refused.
type Reason string

// The reasons.
const (
	// NotPublic: the address is not on the public internet, and not allowed.
	NotPublic Reason = "not_public"
	// Metadata: the address is link-local or a cloud's metadata service.
	Metadata Reason = "metadata"
	// Notation: the host is a number, but no IP address as it is written today.
	Notation Reason = "notation"
)

// BlockedError is a call that the policy refused. Nothing was sent.
type BlockedError struct {
	Host string // as in the URL
	// Address is what the host led to; empty where it was not looked up. It is
	// for logs: told to users, it would map the operator's network.
	Address string
	Reason  Reason
}

// Error is for users: it tells what to do, and not the address of a name.
func (e *BlockedError) Error() string {
	switch e.Reason {
	case Metadata:
		return fmt.Sprintf("%q leads to a link-local or cloud-metadata address: these are always refused, and %s can't allow them", e.Host, setting)
	case Notation:
		return fmt.Sprintf("%q is refused: an IP address must be written in full, like 192.0.2.1", e.Host)
	}
	return fmt.Sprintf("%q is not on the public internet: the operator of this service can allow it with %s", e.Host, setting)
}
