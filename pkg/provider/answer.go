package provider

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// reader adds the data of an event, or a body that is the whole answer, to an
// answer. useful reports whether it brought a part of the answer. The error is
// io.EOF after the last event of a stream.
type reader func(a *answer, data []byte, whole bool) (useful bool, err error)

// eachEvent is called with the name and the data of an event. It reports
// whether the event brought a part of the answer.
type eachEvent func(name string, data []byte) (useful bool, err error)

// readAnswer reads the answer to a prompt in the form in which it came, whatever
// was asked for. sent are the parameters of the request, which the result reports.
func readAnswer(ctx context.Context, p prompt, sent map[string]any, res *http.Response, read reader) (answer, error) {
	defer res.Body.Close()
	if err := checkStatus(res); err != nil {
		return answer{}, err
	}
	a := answer{emit: p.emit, sent: sent}
	var err error
	switch lastCall(ctx).contentType {
	case typeEvents:
		err = readStream(res.Body, readEvents, &a, read)
	case typeFrames:
		err = readStream(res.Body, readFrames, &a, read)
	default:
		err = readWhole(res.Body, &a, read)
	}
	return a, err
}

func checkStatus(res *http.Response) error {
	if res.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("unexpected status %d", res.StatusCode)
	}
	return nil
}

// maxValues limits the number of values in an answer or an event, and in a list of
// models. A value of two bytes of JSON takes fifty bytes when it is decoded.
const (
	maxValues     = 20_000
	maxListValues = 200_000
)

// values returns a lower bound of the number of values in a JSON text.
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

func readWhole(body io.Reader, a *answer, read reader) error {
	data, err := io.ReadAll(body)
	switch {
	case err != nil:
		return err
	case values(data) > maxValues:
		return errTooLarge
	case holdsError(data):
		return answerError(problemOf(data))
	}
	if _, err := read(a, data, true); err != nil {
		return err
	}
	return a.check()
}

// check returns an error unless the answer is complete.
func (a *answer) check() error {
	switch {
	case !a.begun:
		return errNoAnswer
	case !a.ended:
		return errBrokeOff
	}
	return nil
}

func readStream(body io.Reader, events func(io.Reader, eachEvent) error, a *answer, read reader) error {
	var first []byte
	err := events(body, func(name string, data []byte) (bool, error) {
		data = bytes.TrimSpace(data)
		switch {
		case string(data) == "[DONE]":
			a.ended = a.ended || a.doneEnds
			return true, io.EOF
		case values(data) > maxValues:
			return false, errTooLarge
		case name == "error" || holdsError(data):
			return false, answerError(problemOf(data))
		}
		if first == nil {
			first = bytes.Clone(data[:min(len(data), maxErrorBody)])
		}
		return read(a, data, false)
	})
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if first == nil && err == nil { // it ended without an event, or [DONE]
		return errBrokeOff
	}
	if !a.begun {
		if said := problemOf(first); said.structured { // an error in another form
			return answerError(said)
		}
	}
	return a.check()
}

// holdsError reports whether a JSON object is an error, or has an `error` that is not
// empty. Some servers add an empty one to every answer.
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

// unmarshalLoosely decodes the values that have the expected type and ignores the
// others.
func unmarshalLoosely(data []byte, into any) error {
	err := json.Unmarshal(data, into)
	if _, mistyped := errors.AsType[*json.UnmarshalTypeError](err); mistyped {
		return nil
	}
	return err
}
