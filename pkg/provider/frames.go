package provider

import (
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
)

// readFrames is [readEvents] for AWS's binary event stream. The decoder takes messages of
// any length, so what it may read of each is limited.
// Source: Amazon Bedrock and Amazon Transcribe guides, "Event stream encoding".
func readFrames(r io.Reader, each eachEvent) error {
	decoder := eventstream.NewDecoder()
	limited := &io.LimitedReader{R: r}
	var payload []byte
	for idle := int64(0); idle <= maxIdle; {
		limited.N = maxEvent
		message, err := decoder.Decode(limited, payload[:0])
		ended := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		switch payload = message.Payload; {
		case ended && limited.N == 0:
			return errTooLarge
		case ended:
			return nil // [answer.check] reports whether that was too early
		case err != nil:
			return errors.Join(errNoAnswer, err)
		case !utf8.Valid(payload):
			return errNotUTF8
		}
		if err := frameError(message); err != nil {
			return err
		}
		useful, err := each("", payload)
		if err != nil {
			return err
		}
		idle += maxEvent - limited.N
		if useful {
			idle = 0
		}
	}
	return errTooLarge
}

// frameError is the error that a message contains; nil for an event.
func frameError(m eventstream.Message) error {
	header := func(name string) string {
		value, _ := m.Headers.Get(name).(eventstream.StringValue)
		return string(value)
	}
	switch header(":message-type") {
	case "exception": // its name is that of the error code, but begins in lower case
		code := header(":exception-type")
		first := min(len(code), 1)
		return answerError{message: problemOf(m.Payload).message, code: strings.ToUpper(code[:first]) + code[first:]}
	case "error":
		return answerError{message: header(":error-message"), code: header(":error-code")}
	}
	return nil
}
