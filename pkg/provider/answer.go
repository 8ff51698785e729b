package provider

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
)

// reading puts an answer together from a whole body or from the events of a
// stream.
type reading interface {
	// read reads a body, if it is the whole answer, or the data of an event, and
	// emits its text. useful: it brought a part of the answer. It returns io.EOF
	// where a streamed answer is complete.
	read(data []byte, whole bool, emit func(string)) (useful bool, err error)
	// end is the answer, without its text, when everything was read. done says
	// that the service said so.
	end(done bool) (answer, error)
}

// eachEvent is called with the name and the data of an event. It reports
// whether the event brought a part of the answer.
type eachEvent func(name string, data []byte) (useful bool, err error)

// readAnswer reads the answer to a prompt in the form in which it came, whatever was
// asked for. With emit all text is emitted, without it is the answer's.
func readAnswer(ctx context.Context, res *http.Response, emit func(string), r reading) (a answer, err error) {
	var text strings.Builder
	if emit == nil {
		emit = func(piece string) {
			if text.Len()+len(piece) > maxAnswer {
				exchangeOf(ctx).cancel(errTooLarge)
				return
			}
			text.WriteString(piece)
		}
	}
	switch lastCall(ctx).contentType {
	case typeEvents:
		a, err = readStream(func(each eachEvent) error { return readEvents(res.Body, each) }, r, emit)
	case typeFrames:
		a, err = readStream(func(each eachEvent) error { return readFrames(res.Body, each) }, r, emit)
	default:
		a, err = readWhole(res.Body, r, emit)
	}
	a.text = text.String()
	return a, err
}

// maxValues bounds the values in an answer or an event, and in a list of models:
// decoded, one that takes two bytes of JSON takes fifty.
const (
	maxValues     = 20_000
	maxListValues = 200_000
)

// values counts the values in a JSON text, at least.
func values(data []byte) int {
	count, inString := 1, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case c == '"':
			inString = !inString
		case inString && c == '\\':
			i++
		case !inString && (c == ',' || c == '[' || c == '{'):
			count++
		}
	}
	return count
}

func readWhole(body io.Reader, r reading, emit func(string)) (answer, error) {
	data, err := io.ReadAll(body)
	switch {
	case err != nil:
		return answer{}, err
	case values(data) > maxValues:
		return answer{}, errTooLarge
	case holdsError(data):
		return answer{}, answerError(problemOf(data))
	}
	if _, err := r.read(data, true, emit); err != nil {
		return answer{}, err
	}
	return r.end(true)
}

func readStream(events func(eachEvent) error, r reading, emit func(string)) (answer, error) {
	done := false
	var first []byte
	err := events(func(name string, data []byte) (bool, error) {
		data = bytes.TrimSpace(data)
		switch {
		case string(data) == "[DONE]":
			done = true
			return true, io.EOF
		case values(data) > maxValues:
			return false, errTooLarge
		case name == "error" || holdsError(data):
			return false, answerError(problemOf(data))
		}
		if first == nil {
			first = bytes.Clone(data[:min(len(data), maxErrorBody)])
		}
		useful, err := r.read(data, false, emit)
		done = done || errors.Is(err, io.EOF)
		return useful, err
	})
	if err != nil && !done {
		return answer{}, err
	}
	a, err := r.end(done)
	if errors.Is(err, errNoAnswer) {
		if said := problemOf(first); said.structured { // an error in another form
			return answer{}, answerError(said)
		}
	}
	return a, err
}

// holdsError reports whether a JSON object has an `error` that says something,
// or is one. Some servers write an empty one beside every answer.
func holdsError(body []byte) bool {
	if !bytes.Contains(body, []byte(`error"`)) {
		return false
	}
	var envelope struct {
		Error  any `json:"error"`
		Object any `json:"object"`
	}
	return json.Unmarshal(body, &envelope) == nil && (saysError(envelope.Error) || envelope.Object == "error")
}

// saysError reports whether the value of an `error` is one.
func saysError(value any) bool {
	said := problemIn(value)
	return value == true || said.message+said.name() != "" || said.http != 0
}

// unmarshalLoosely decodes what has the expected type and passes over the rest.
func unmarshalLoosely(data []byte, into any) error {
	err := json.Unmarshal(data, into)
	if _, mistyped := errors.AsType[*json.UnmarshalTypeError](err); mistyped {
		return nil
	}
	return err
}
