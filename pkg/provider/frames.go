package provider

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
)

// preludeLength is the number of bytes before the headers of a message: the length of
// the message, the length of the headers, and the checksum of both.
const preludeLength = 12

// readFrames is [readEvents] for AWS's binary event stream. The decoder would
// take messages of any length, so the length is checked first.
// Source: Amazon Bedrock and Amazon Transcribe guides, "Event stream encoding".
func readFrames(r io.Reader, each eachEvent) error {
	decoder := eventstream.NewDecoder()
	var payload []byte
	prelude := make([]byte, preludeLength)
	for idle := 0; idle <= maxIdle; {
		if _, err := io.ReadFull(r, prelude); err != nil {
			return untilEnd(err)
		}
		length := int64(binary.BigEndian.Uint32(prelude))
		switch {
		case crc32.ChecksumIEEE(prelude[:8]) != binary.BigEndian.Uint32(prelude[8:]):
			return errNoAnswer
		case length > maxEvent:
			return errTooLarge
		}
		rest := io.LimitReader(r, length-preludeLength)
		message, err := decoder.Decode(io.MultiReader(bytes.NewReader(prelude), rest), payload[:0])
		if err != nil {
			return untilEnd(err)
		}
		payload = message.Payload
		if !utf8.Valid(payload) {
			return errNotUTF8
		}
		if err := frameError(message); err != nil {
			return err
		}
		useful, err := each("", payload)
		if err != nil {
			return err
		}
		idle += int(length)
		if useful {
			idle = 0
		}
	}
	return errTooLarge
}

// untilEnd returns nil if the stream ended. [answer.check] reports whether that was too
// early.
func untilEnd(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

// frameError is the error that a message contains; nil for an event.
func frameError(m eventstream.Message) error {
	header := func(name string) string {
		value, ok := m.Headers.Get(name).(eventstream.StringValue)
		if !ok {
			return ""
		}
		return string(value)
	}
	switch header(":message-type") {
	case "exception": // its name is that of the error code, but begins in lower case
		code := header(":exception-type")
		return answerError{message: problemOf(m.Payload).message, code: strings.ToUpper(code[:min(len(code), 1)]) + code[min(len(code), 1):]}
	case "error":
		return answerError{message: header(":error-message"), code: header(":error-code")}
	}
	return nil
}
