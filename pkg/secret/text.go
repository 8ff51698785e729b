package secret

import (
	"fmt"
	"log/slog"
)

// Mask is what a secret prints as, and what a set credential is answered as:
// eight bullets (U+2022).
const Mask = "••••••••"

// Text is a plaintext secret that prints dots: in logs, in errors, in JSON and
// in every formatting verb. Only [Text.Reveal] and [Text.Bytes] return the secret.
// Copies of a Text share it, and [Text.Wipe] takes it from all of them.
type Text struct {
	_ [0]func() // not comparable with ==
	// plain is behind two pointers because fmt prints the fields of a struct
	// without asking their methods where it has to: in an unexported field of
	// another struct, or for a verb such as %p. It follows one pointer then, and
	// prints the other as an address.
	plain **[]byte
}

// NewText makes a Text of a copy of a plaintext.
func NewText(plain string) Text { return TextOf([]byte(plain)) }

// TextOf makes a Text of a plaintext that is its own from then on.
func TextOf(plain []byte) Text {
	shared := &plain
	return Text{plain: &shared}
}

// Bytes returns the plaintext itself, which is not to be kept or changed. Each
// call is a place to look at in a review.
func (t Text) Bytes() []byte {
	if t.plain == nil {
		return nil
	}
	return **t.plain
}

// Reveal returns a copy of the plaintext, which can't be wiped. Each call is a
// place to look at in a review.
func (t Text) Reveal() string { return string(t.Bytes()) }

// Empty reports whether there is no secret.
func (t Text) Empty() bool { return len(t.Bytes()) == 0 }

// Wipe overwrites the secret, and leaves an empty Text. Nobody may be using it.
func (t Text) Wipe() {
	if t.plain != nil {
		clear(**t.plain)
		**t.plain = nil
	}
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
