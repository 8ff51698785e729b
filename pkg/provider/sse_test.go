package provider

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

func TestReadEvents(t *testing.T) {
	for name, test := range map[string]struct {
		stream string
		want   []string
	}{
		"one a blank line":         {"data: a\n\ndata: b\n\n", []string{"a", "b"}},
		"Windows's line breaks":    {"data: a\r\n\r\ndata: b\r\n\r\n", []string{"a", "b"}},
		"no space":                 {"data:a\n\n", []string{"a"}},
		"several lines":            {"data: a\ndata: b\n\n", []string{"a\nb"}},
		"names, ids and comments":  {": hi\nevent: x\nid: 7\nretry: 3\ndata: a\n\n: still here\n\n", []string{"a"}},
		"cut in the last event":    {"data: a\n\ndata: b\n", []string{"a"}},
		"nothing but blank lines":  {"\n\n\n", nil},
		"only one of two spaces":   {"data:  a\n\n", []string{" a"}},
		"a field that looks alike": {"database: a\ndata: b\n\n", []string{"b"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			err := readEvents(iotest.OneByteReader(strings.NewReader(test.stream)), func(data []byte) error {
				got = append(got, string(data))
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadEventsEndsWithTheErrorOfItsReader(t *testing.T) {
	broken := errors.New("broken")
	err := readEvents(io.MultiReader(strings.NewReader("data: a\n\nda"), iotest.ErrReader(broken)), func([]byte) error { return nil })
	if !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
	err = readEvents(strings.NewReader("data: a\n\ndata: b\n\n"), func([]byte) error { return broken })
	if !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
	if err := readEvents(strings.NewReader("data: "+strings.Repeat("x", 3*maxEvent)), func([]byte) error { return nil }); err == nil {
		t.Error("an endless line was read")
	}
}

func FuzzReadEvents(f *testing.F) {
	f.Add("data: {\"a\":1}\n\ndata: [DONE]\n\n")
	f.Add("event: x\r\ndata: a\r\n\r\n")
	f.Fuzz(func(t *testing.T, stream string) {
		_ = readEvents(strings.NewReader(stream), func(data []byte) error {
			if len(data) == 0 {
				t.Error("an event without data was passed on")
			}
			return nil
		})
	})
}
