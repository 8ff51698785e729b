package fault

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Text trims a text that a person entered, such as a name, and returns it. It adds
// the field unless the text has 1 to limit characters and no control character.
func (f *Fields) Text(name, value string, limit int) string {
	value = strings.TrimSpace(value)
	switch n := utf8.RuneCountInString(value); {
	case n == 0:
		f.Add(name, Required, "must not be empty")
	case n > limit:
		f.Add(name, TooLong, "must have at most %d characters", limit)
	case !utf8.ValidString(value):
		f.Add(name, Invalid, "must be valid UTF-8")
	case !IsText(value):
		f.Add(name, Invalid, "must not contain control characters")
	}
	return value
}

// Storable returns text in the form that every database stores: what PostgreSQL
// refuses, invalid UTF-8 and NUL, becomes U+FFFD.
func Storable(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
}

// IsText reports whether text has no control characters and neither of the line
// breaks U+2028 and U+2029.
func IsText(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' })
}
