package registry

import (
	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Fold returns the form of a name under which two spellings are the same:
// case-folded and NFC-normalised (Unicode, sections 3.13 and UAX #15). It is
// computed here rather than in SQL, so that all databases agree.
func Fold(name string) string {
	return norm.NFC.String(cases.Fold().String(norm.NFC.String(name)))
}
