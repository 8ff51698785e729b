package provider

import (
	"encoding/base64"
	"strings"
	"testing"
)

func redactorOf(secrets ...string) *redactor {
	r := newRedactor()
	for _, s := range secrets {
		r.add(s)
	}
	return r
}

func TestRedactBase64HasNoEdges(t *testing.T) {
	secret := "sk-0123456789"
	for before := range 4 {
		for after := range 4 {
			text := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("<", before) + secret + strings.Repeat(">", after)))
			got := redactorOf(secret).text(text)
			start, end, found := strings.Cut(got, cut)
			if !found || strings.Trim(start, "PDw8") != "" || len(start) > 4 || strings.Trim(end, "Pj4+g=") != "" {
				t.Errorf("%d before, %d after: %q of %q", before, after, got, text)
			}
		}
	}
}

func TestRedactLeavesTheRest(t *testing.T) {
	r := redactorOf("sk-secret", "short", "12345", "", "     ")
	for _, text := range []string{
		"", "sk-secre", "sk-secreT", "short and 12345", `C:\new\table`, "100% of %41 and %zz", "a+b", "50%", `\`, "sk-sk-sk-", "日本語 text",
	} {
		if got := r.text(text); got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
}

func TestRedactTakesTheLongestSecret(t *testing.T) {
	r := redactorOf("sk-abcdef", "sk-abcdefghijkl").child()
	r.add("token-of-this-call")
	got := r.text("sk-abcdefghijkl, sk-abcdefghijk, token-of-this-call")
	if want := cut + ", " + cut + "ghijk, " + cut; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func pieces(r *redactor, text string, size int) string {
	s := stream{redact: r}
	var out strings.Builder
	for len(text) > 0 {
		n := min(size, len(text))
		out.WriteString(s.write(text[:n]))
		text = text[n:]
	}
	out.WriteString(s.flush())
	return out.String()
}

func TestRedactStreamHoldsNoMoreThanNeeded(t *testing.T) {
	s := stream{redact: redactorOf("sk-secret")}
	for _, step := range [][2]string{{"Hello ", "Hello "}, {"sk-", ""}, {"sec", ""}, {"ond.", "sk-second."}, {" sk-secret", " " + cut}, {"!", "!"}} {
		if got := s.write(step[0]); got != step[1] {
			t.Errorf("%q lets %q go, want %q", step[0], got, step[1])
		}
	}
	if got := s.write("sk-sec") + s.flush(); got != "sk-sec" {
		t.Errorf("the end is %q", got)
	}
}

// An upstream may write what takes longest to compare with the secret. Of such
// a text the end may be lost, but never the secret told.
func TestRedactBoundsItsWork(t *testing.T) {
	for _, char := range []string{"a", `\`, "%", "25"} {
		secret := strings.Repeat(char, 2000) + "b"
		text := strings.Repeat(char, 100_000)
		got := redactorOf(secret).text(text + secret)
		if strings.Contains(got, secret) || len(got) > len(text)+len(secret) {
			t.Errorf("secret of %q: %d bytes are left", char, len(got))
		}
	}
}

func FuzzRedact(f *testing.F) {
	f.Add("sk-secret", "the key sk-secret", 3)
	f.Add(`a"b\c/`, `\\\"`, 1)
	f.Add("ünïcödé", "%c3%bcn%u00", 2)
	f.Fuzz(func(t *testing.T, secret, text string, size int) {
		if size < 1 || len(secret) > 200 || len(text) > 1000 {
			return
		}
		r := redactorOf(secret)
		whole := r.text(text)
		if got := pieces(r, text, size); got != whole {
			t.Errorf("secret %q in %q: %q in pieces, %q whole", secret, text, got, whole)
		}
		if plain := strings.TrimSpace(secret); len([]rune(plain)) >= minSecret && strings.Contains(whole, plain) && strings.Trim(plain, "•") != "" {
			t.Errorf("secret %q is in %q", secret, whole)
		}
	})
}

func BenchmarkRedact(b *testing.B) {
	r := redactorOf("sk-proj-0123456789abcdef0123456789abcdef")
	text := strings.Repeat("The quick brown fox jumps over the lazy dog. ", 1000)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		r.text(text)
	}
}

// TestRedactingAStreamIsBounded: an upstream that knows the secret sends what
// may begin it again and again, in small pieces.
func TestRedactingAStreamIsBounded(t *testing.T) {
	r := newRedactor()
	r.add(strings.Repeat("a", 4000) + "b")
	s := stream{redact: r}
	left := 0
	for range 20_000 {
		s.write("aa")
		left = min(left, s.work)
	}
	if limit := -2 * scanWork; left < limit {
		t.Errorf("%d steps more than its allowance were taken", -left)
	}
}

// TestASpentRedactorLetsNothingGo: once looking for a secret has taken too long,
// no later part of the text leaves, nor of the secret in it.
func TestASpentRedactorLetsNothingGo(t *testing.T) {
	key := strings.Repeat("a", 4000) + "-kekeke-kukoku" // no form of the key begins with a letter of its end
	r := newRedactor()
	r.add(key)
	s := stream{redact: r}
	for range 20_000 {
		if s.write("aa"); s.work < -scanWork {
			break
		}
	}
	if s.work >= -scanWork {
		t.Error("looking for the secret did not take too long")
	}
	var out strings.Builder
	for _, letter := range key + key + " The end." {
		out.WriteString(s.write(string(letter)))
	}
	out.WriteString(s.flush())
	if out.Len() > 0 {
		t.Errorf("part of the secret or of the text leaves: %.100q", strings.ReplaceAll(out.String(), cut, ""))
	}
}

// TestAnHonestEchoIsCutOutWhole: a long secret that comes back letter by letter
// does not end the answer.
func TestAnHonestEchoIsCutOutWhole(t *testing.T) {
	key := strings.Repeat("abcdefghijklmnopqrstuvwxyz0123456789+/", 45)
	r := newRedactor()
	r.add(key)
	s := stream{redact: r}
	var out strings.Builder
	for _, letter := range "Before " + key + " between " + key + " and after." {
		out.WriteString(s.write(string(letter)))
	}
	out.WriteString(s.flush())
	if want := "Before •••• between •••• and after."; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}
