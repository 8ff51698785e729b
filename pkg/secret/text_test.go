package secret_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"modelproviders/pkg/secret"
)

const canary = "sk-canary-0123456789"

type holder struct {
	Name   string
	Key    secret.Text
	hidden secret.Text
	List   []secret.Text
	Map    map[string]secret.Text
	Ptr    *secret.Text
	Any    any
}

func newHolder() holder {
	t := secret.NewText(canary)
	return holder{Name: "n", Key: t, hidden: t, List: []secret.Text{t}, Map: map[string]secret.Text{"k": t}, Ptr: &t, Any: t}
}

// leaks reports whether the output contains the canary, verbatim or as fmt prints
// bytes.
func leaks(out string) bool {
	out = strings.ToLower(out)
	for _, form := range []string{canary, fmt.Sprintf("%x", canary), fmt.Sprintf("% x", canary), fmt.Sprintf("%v", []byte(canary))} {
		if strings.Contains(out, form) {
			return true
		}
	}
	return false
}

func TestTextPrintsDots(t *testing.T) {
	text := secret.NewText(canary)
	for _, verb := range strings.Split("v +v #v s +s #s q +q #q x X #x d o b c U t e f g p T w 10s .3s -30v z", " ") {
		out := fmt.Sprintf("%"+verb, text)
		if leaks(out) || (!strings.Contains("T p w", verb) && !strings.Contains(out, secret.Mask)) {
			t.Errorf("%%%s prints %q", verb, out)
		}
		for _, v := range []any{newHolder(), &text, []any{text}, map[secretKey]secret.Text{{}: text}} {
			if out := fmt.Sprintf("%"+verb, v); leaks(out) {
				t.Errorf("%%%s of %T prints %q", verb, v, out)
			}
		}
	}
	if out := fmt.Sprint(text) + fmt.Sprintln(&text) + text.String() + text.GoString(); leaks(out) || strings.Count(out, secret.Mask) != 4 {
		t.Errorf("printed %q", out)
	}
}

type secretKey struct{}

func TestTextMarshalsAsDots(t *testing.T) {
	out, err := json.Marshal(newHolder())
	if err != nil || leaks(string(out)) || strings.Count(string(out), `"`+secret.Mask+`"`) != 5 {
		t.Errorf("JSON %s, %v", out, err)
	}
	out, err = xml.Marshal(element{secret.NewText(canary)})
	if err != nil || leaks(string(out)) {
		t.Errorf("XML %s, %v", out, err)
	}
}

type element struct{ Key secret.Text }

func TestTextLogsDots(t *testing.T) {
	text := secret.NewText(canary)
	var out bytes.Buffer
	for name, handler := range map[string]slog.Handler{
		"text": slog.NewTextHandler(&out, nil),
		"json": slog.NewJSONHandler(&out, nil),
	} {
		out.Reset()
		log := slog.New(handler).With("with", text)
		log.Info("message", "value", text, "pointer", &text, "holder", newHolder(), slog.Group("group", "value", text),
			"error", fmt.Errorf("refused %v: %w", text, errors.New("cause")))
		if leaks(out.String()) || !strings.Contains(out.String(), secret.Mask) {
			t.Errorf("%s handler wrote %s", name, out.String())
		}
	}
}

func TestTextReveal(t *testing.T) {
	text := secret.NewText(canary)
	plain := text.Bytes()
	if text.Reveal() != canary || text.Empty() {
		t.Error("the secret is not there")
	}
	var zero secret.Text
	if zero.Reveal() != "" || !zero.Empty() || !secret.NewText("").Empty() || zero.String() != secret.Mask {
		t.Error("the zero Text is not empty")
	}
	copied := text
	copied.Wipe()
	if !text.Empty() || text.Reveal() != "" || bytes.Contains(plain, []byte(canary)) {
		t.Errorf("the secret is there after it was wiped: %q", plain)
	}
	zero.Wipe()
}
