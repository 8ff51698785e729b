package registry

import (
	"slices"

	"modelproviders/pkg/fault"
)

// Precondition is what an edit demands of the present edit version. The zero
// value demands nothing.
type Precondition struct {
	// Match holds the acceptable versions of If-Match; nil demands nothing, an
	// empty list matches no version.
	Match []int64
	// Version is a version that was sent back in the body; nil demands nothing.
	Version *int64
}

// check returns version_mismatch unless the present version satisfies both.
func (p Precondition) check(what string, present int64) error {
	if (p.Match == nil || slices.Contains(p.Match, present)) && (p.Version == nil || *p.Version == present) {
		return nil
	}
	return fault.New(fault.VersionMismatch,
		"The %s has changed: its version is now %d. Read it again and repeat the edit.", what, present)
}
