package secret

import (
	"fmt"
	"log/slog"
)

// Mask is what a secret prints as, and what the API answers for a stored credential.
const Mask = "••••••••"

// Text is a plaintext secret that prints as [Mask] in logs, errors, JSON and every
// formatting verb. Only [Text.Reveal] and [Text.Bytes] return it; look at every call of
// these in a review. Copies of a Text share the secret.
type Text struct {
	_ [0]func() // prevents ==
	// plain is behind two pointers: in an unexported field, and for verbs such as %p,
	// fmt does not call the methods below. It follows one pointer, and prints the next
	// one as an address.
	plain **[]byte
}

// NewText returns a Text with a copy of a plaintext.
func NewText(plain string) Text { return textOf([]byte(plain)) }

// textOf returns a Text that owns the plaintext.
func textOf(plain []byte) Text {
	shared := &plain
	return Text{plain: &shared}
}

// Bytes returns the plaintext itself. Do not keep or change it.
func (t Text) Bytes() []byte {
	if t.plain == nil {
		return nil
	}
	return **t.plain
}

// Reveal returns a copy of the plaintext, which can't be wiped.
func (t Text) Reveal() string { return string(t.Bytes()) }

// Empty reports whether there is no secret.
func (t Text) Empty() bool { return len(t.Bytes()) == 0 }

// Wipe overwrites the secret of all copies. Nothing may be using it.
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
