package registry

import (
	"slices"

	"modelproviders/pkg/fault"
)

// Precondition is a condition of an edit on the current version. The zero value
// always holds.
type Precondition struct {
	// Match has the versions in If-Match; nil matches any version, an empty list
	// matches none.
	Match []int64
	// Version is the version in the body; nil matches any version.
	Version *int64
}

// check returns version_mismatch unless the present version matches both.
func (p Precondition) check(what string, present int64) error {
	if (p.Match == nil || slices.Contains(p.Match, present)) && (p.Version == nil || *p.Version == present) {
		return nil
	}
	return fault.New(fault.VersionMismatch,
		"The %s has changed. Its version is now %d. Read it again and repeat the request.", what, present)
}
