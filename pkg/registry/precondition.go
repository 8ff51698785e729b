package registry

import (
	"slices"

	"modelproviders/pkg/fault"
)

// Precondition is a condition of an edit. The zero value allows any version, and only
// changes of what is not in use.
type Precondition struct {
	// Match has the versions in If-Match; nil matches any version, an empty list
	// matches none.
	Match []int64
	// Version is the version in the body; nil matches any version.
	Version *int64
	// Force allows to remove and disable models with references, and their provider.
	Force bool
}

// check returns version_mismatch unless the present version matches Match and Version.
func (p Precondition) check(what string, present int64) error {
	if (p.Match == nil || slices.Contains(p.Match, present)) && (p.Version == nil || *p.Version == present) {
		return nil
	}
	return fault.New(fault.VersionMismatch,
		"The %s has changed. Its version is now %d. Read it again and repeat the request.", what, present)
}
