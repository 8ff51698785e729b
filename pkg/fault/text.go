package fault

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Text trims a value that a person gave, such as a name, and checks that it is
// 1 to limit characters long and holds no control character. It adds what is
// wrong, and returns the trimmed value.
func (f *Fields) Text(name, value string, limit int) string {
	value = strings.TrimSpace(value)
	switch n := utf8.RuneCountInString(value); {
	case n == 0:
		f.Add(name, Required, "must not be empty")
	case n > limit:
		f.Add(name, TooLong, "is %d characters long; at most %d are allowed", n, limit)
	case !utf8.ValidString(value):
		f.Add(name, Invalid, "must be UTF-8")
	case strings.ContainsFunc(value, isControl):
		f.Add(name, Invalid, "must not contain control characters")
	}
	return value
}

// isControl reports control characters, and the two separators that break
// lines in a log or a page as a control character would.
func isControl(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }
