package provider

import (
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

const longLine = 4 << 10

func TestReadEvents(t *testing.T) {
	for name, test := range map[string]struct {
		stream string
		want   []string
	}{
		"one a blank line":         {"data: a\n\ndata: b\n\n", []string{"a", "b"}},
		"Windows's line breaks":    {"data: a\r\n\r\ndata: b\r\n\r\n", []string{"a", "b"}},
		"no space":                 {"data:a\n\n", []string{"a"}},
		"returns alone":            {"data: a\r\rdata: b\rdata: c\r\r", []string{"a", "b\nc"}},
		"empty data":               {"data:\n\ndata: \n\ndata\n\ndata: a\n\n", []string{"a"}},
		"several lines":            {"data: a\ndata: b\n\n", []string{"a\nb"}},
		"names, ids and comments":  {": hi\nevent: x\nid: 7\nretry: 3\ndata: a\n\n: still here\n\n", []string{"a"}},
		"cut in the last event":    {"data: a\n\ndata: b\n", []string{"a"}},
		"whole at the end":         {"data: a\n\ndata: {}\n", []string{"a", "{}"}},
		"over at the end":          {"data: a\n\ndata: [DONE]", []string{"a", "[DONE]"}},
		"nothing but blank lines":  {"\n\n\n", nil},
		"only one of two spaces":   {"data:  a\n\n", []string{" a"}},
		"a long line":              {"data: " + strings.Repeat("a", 3*longLine) + "\r\ndata: b\n\n", []string{strings.Repeat("a", 3*longLine) + "\nb"}},
		"a line as long":           {"data: " + strings.Repeat("a", longLine-6) + "\n\ndata: b\n\n", []string{strings.Repeat("a", longLine-6), "b"}},
		"a long comment":           {":" + strings.Repeat("data: ", longLine) + "\ndata: b\n\n", []string{"b"}},
		"a colon in a long line":   {"data:" + strings.Repeat("a", longLine-5) + ":data: c\n\n", []string{strings.Repeat("a", longLine-5) + ":data: c"}},
		"a field that looks alike": {"database: a\ndata: b\n\n", []string{"b"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			err := readEvents(iotest.OneByteReader(strings.NewReader(test.stream)), func(_ string, data []byte) (bool, error) {
				got = append(got, string(data))
				return true, nil
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
	err := readEvents(io.MultiReader(strings.NewReader("data: a\n\nda"), iotest.ErrReader(broken)), func(string, []byte) (bool, error) { return true, nil })
	if !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
	err = readEvents(strings.NewReader("data: a\n\ndata: b\n\n"), func(string, []byte) (bool, error) { return true, broken })
	if !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
}

func TestReadEventsNamesEvents(t *testing.T) {
	var got []string
	_ = readEvents(strings.NewReader("event: x\ndata: a\n\ndata: b\n\nevent: y\n\ndata: c\n\n"), func(name string, data []byte) (bool, error) {
		got = append(got, name+"="+string(data))
		return true, nil
	})
	if diff := cmp.Diff([]string{"x=a", "=b", "=c"}, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestReadEventsBoundsAnEvent(t *testing.T) {
	line := "data: " + strings.Repeat("a", maxEvent-100)
	much := func(stream io.Reader) io.Reader { return io.LimitReader(stream, 4*maxIdle) } // with an end, so that a bound that is lost is told
	for name, c := range map[string]struct {
		stream io.Reader
		want   error
	}{
		"many events":               {io.LimitReader(endless("data: {}\n\n"), 20<<20), nil},
		"an endless line":           {much(endless("a")), errTooLarge},
		"an event of endless lines": {much(endless("data: {}\n")), errTooLarge},
		"the same with returns":     {much(endless("data: {}\r")), errTooLarge},
		"comments without end":      {much(endless(": hi\n")), errTooLarge},
		"one comment without end":   {much(endless(":")), errTooLarge},
		"empty lines without end":   {much(endless("\n")), errTooLarge},
		"events of nothing":         {much(endless("data: []\n\n")), errTooLarge},
		"a comment an event":        {io.LimitReader(endless("data: {}\n\n: here\n\n"), 1<<20), nil},
		"two long events":           {strings.NewReader(line + "\n\n" + line + "\n\n"), nil},
		"a long event in one line":  {strings.NewReader(line + strings.Repeat("a", 200) + "\n\n" + line), errTooLarge},
		"a long event in two lines": {strings.NewReader(line + "\n" + line + "\n\n" + line), errTooLarge},
	} {
		if err := readEvents(c.stream, func(_ string, data []byte) (bool, error) { return string(data) != "[]", nil }); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if rest, _ := c.stream.Read(make([]byte, 1)); c.want != nil && rest == 0 {
			t.Errorf("%s: it was read to its end", name)
		}
	}
}

// TestReadEventsHoldsNoMoreThanAnEvent reads lines that are no data, as long as a
// stream may be idle.
func TestReadEventsHoldsNoMoreThanAnEvent(t *testing.T) {
	allocated := func() uint64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.TotalAlloc
	}
	for name, c := range map[string]struct {
		begin string
		bound uint64 // bytes that may be allocated
	}{
		"a comment":            {":", maxEvent / 4},
		"a comment after data": {"data: {}\n:", maxEvent / 4},
		"an unknown field":     {"a", 8 * maxEvent}, // as the line grows
	} {
		stream := io.MultiReader(strings.NewReader(c.begin), io.LimitReader(endless("c"), 4*maxIdle))
		before := allocated()
		err := readEvents(stream, func(string, []byte) (bool, error) { return true, nil })
		if got := allocated() - before; !errors.Is(err, errTooLarge) || got > c.bound {
			t.Errorf("%s: %v, and %d bytes were allocated", name, err, got)
		}
	}
}

func TestReadEventsJoinsHalvesOfCharacters(t *testing.T) {
	for name, c := range map[string]struct{ stream, want []string }{
		"cut in two":         {[]string{`{"a":"x\ud83d","b":1}`, `{"a":"\uDE00y"}`}, []string{`{"a":"x\ud83d\uDE00","b":1}`, `{"a":"y"}`}},
		"twice":              {[]string{`{"a":"\ud83d"}`, `{"a":"\ude00\ud83d"}`, `{"a":"\ude01"}`}, []string{`{"a":"\ud83d\ude00"}`, `{"a":"\ud83d\ude01"}`, `{"a":""}`}},
		"whole":              {[]string{`{"a":"\ud83d\ude00"}`, `{"a":"b"}`}, []string{`{"a":"\ud83d\ude00"}`, `{"a":"b"}`}},
		"alone at the end":   {[]string{`{"a":"\ud83d"}`}, []string{`{"a":"\ud83d"}`}},
		"alone":              {[]string{`{"a":"\ud83d"}`, `[DONE]`}, []string{`{"a":"\ud83d"}`, `[DONE]`}},
		"no escape":          {[]string{`{"a":"\\ud83d"}`, `{"a":"\ude00"}`}, []string{`{"a":"\\ud83d"}`, `{"a":"\ude00"}`}},
		"after a backslash":  {[]string{`{"a":"\\\ud83d"}`, `{"a":"\ude00"}`}, []string{`{"a":"\\\ud83d\ude00"}`, `{"a":""}`}},
		"not at a beginning": {[]string{`{"a":"\ud83d"}`, `{"a":"\"\ude00"}`}, []string{`{"a":"\ud83d"}`, `{"a":"\"\ude00"}`}},
	} {
		var got []string
		err := readEvents(strings.NewReader("data: "+strings.Join(c.stream, "\n\ndata: ")+"\n\n"), func(_ string, data []byte) (bool, error) {
			got = append(got, string(data))
			return true, nil
		})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func FuzzReadEvents(f *testing.F) {
	f.Add("data: {\"a\":1}\n\ndata: [DONE]\n\n")
	f.Add("event: x\r\ndata: a\r\n\r\n")
	f.Add("data: {\"a\":\"\\ud83d\"}\r\rdata: {\"a\":\"\\ude00\"}\r\r")
	f.Fuzz(func(t *testing.T, stream string) {
		_ = readEvents(strings.NewReader(stream), func(_ string, data []byte) (bool, error) {
			if len(data) == 0 {
				t.Error("an event without data was passed on")
			}
			return true, nil
		})
	})
}
