package egress

import "fmt"

// The settings that errors name.
const (
	allowSetting = "MODELPROVIDERS_ALLOW_UPSTREAMS"
	proxySetting = "MODELPROVIDERS_EGRESS_PROXY"
)

// Reason says why a call was refused.
type Reason string

// The reasons.
const (
	NotPublic Reason = "not_public" // the address is neither public nor allowed
	Metadata  Reason = "metadata"   // the address is link-local or a cloud's metadata service
	Notation  Reason = "notation"   // the host is a number that is not a complete IP address
)

// BlockedError is a call that the policy refused. Nothing was sent.
type BlockedError struct {
	Host   string // as in the URL
	Reason Reason
}

// Error returns a message for users. It does not contain the address that the host
// resolved to, which could reveal the operator's network.
func (e *BlockedError) Error() string {
	switch e.Reason {
	case Metadata:
		return fmt.Sprintf("%q leads to a link-local or cloud metadata address. These are always refused, and %s can't allow them.", e.Host, allowSetting)
	case Notation:
		return fmt.Sprintf("%q is refused because an IP address must be complete, such as 192.0.2.1.", e.Host)
	}
	return fmt.Sprintf("%q is not on the public internet. The operator of this service can allow it with %s.", e.Host, allowSetting)
}
