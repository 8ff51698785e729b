package secret

import (
	"crypto/subtle"
	"fmt"
	"log/slog"
)

// Mask is what a secret prints as, and what a set credential is answered as:
// eight bullets (U+2022).
const Mask = "••••••••"

// Text is a plaintext secret that prints dots: in logs, in errors, in JSON and
// in every formatting verb. Only [Text.Reveal] returns the secret.
type Text struct {
	_ [0]func() // not comparable with ==: see Equal
	// plain is behind a pointer because fmt prints the fields of a struct
	// without asking their methods where it has to: in an unexported field of
	// another struct, or for a verb such as %p. It prints an address then.
	plain *string
}

// NewText makes a Text of a plaintext.
func NewText(plain string) Text { return Text{plain: &plain} }

// Reveal returns the plaintext. Each call is a place to look at in a review.
func (t Text) Reveal() string {
	if t.plain == nil {
		return ""
	}
	return *t.plain
}

// Empty reports whether there is no secret.
func (t Text) Empty() bool { return t.Reveal() == "" }

// Equal reports whether both are the same secret, in a time that tells nothing
// but their lengths.
func (t Text) Equal(other Text) bool {
	return subtle.ConstantTimeCompare([]byte(t.Reveal()), []byte(other.Reveal())) == 1
}

// String returns the mask.
func (Text) String() string { return Mask }

// GoString returns the mask.
func (Text) GoString() string { return Mask }

// Format writes the mask, whatever the verb.
func (Text) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte(Mask)) }

// MarshalJSON returns the mask as a JSON string.
func (Text) MarshalJSON() ([]byte, error) { return []byte(`"` + Mask + `"`), nil }

// MarshalText returns the mask.
func (Text) MarshalText() ([]byte, error) { return []byte(Mask), nil }

// LogValue returns the mask.
func (Text) LogValue() slog.Value { return slog.StringValue(Mask) }
