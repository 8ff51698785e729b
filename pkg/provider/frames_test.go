package provider

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
)

// eventMessage is one message of an event stream.
func eventMessage(t testing.TB, payload []byte) []byte {
	t.Helper()
	m := eventstream.Message{Payload: payload}
	m.Headers.Set(":event-type", eventstream.StringValue("contentBlockDelta"))
	m.Headers.Set(":binary", eventstream.BytesValue([]byte{0xff, 0xfe})) // headers are no text
	var b bytes.Buffer
	if err := eventstream.NewEncoder().Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// payloadsOf reads a stream that comes in pieces of a size.
func payloadsOf(stream []byte, size int) (payloads []byte, err error) {
	err = readFrames(&inPieces{stream, size}, func(_ string, data []byte) (bool, error) {
		payloads = append(payloads, data...)
		return true, nil
	})
	return payloads, err
}

type inPieces struct {
	rest []byte
	size int
}

func (r *inPieces) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.rest[:min(r.size, len(r.rest))])
	r.rest = r.rest[n:]
	return n, nil
}

func TestFramesFindPayloads(t *testing.T) {
	var stream []byte
	for _, payload := range []string{`{"text":"wörld"}`, "", `{"text":"€"}`} {
		stream = append(stream, eventMessage(t, []byte(payload))...)
	}
	for _, size := range []int{1, 2, 3, 7, 64, len(stream)} {
		payloads, err := payloadsOf(stream, size)
		if err != nil || string(payloads) != `{"text":"wörld"}{"text":"€"}` {
			t.Errorf("in pieces of %d: %q, %v", size, payloads, err)
		}
	}
}

func TestFramesRefuseWhatIsNotUTF8(t *testing.T) {
	for _, payload := range []string{"{\"text\":\"w\xff\xferld\"}", "cut in a character: \xc3"} {
		stream := append(eventMessage(t, []byte("{}")), eventMessage(t, []byte(payload))...)
		stream = append(stream, eventMessage(t, []byte("\xb6"))...)
		for _, size := range []int{1, 5, len(stream)} {
			if _, err := payloadsOf(stream, size); !errors.Is(err, errNotUTF8) {
				t.Errorf("%q in pieces of %d: %v", payload, size, err)
			}
		}
	}
}

func TestFramesBoundMessages(t *testing.T) {
	message := make([]byte, 2*maxEvent)
	binary.BigEndian.PutUint32(message, 20<<20)
	binary.BigEndian.PutUint32(message[8:], crc32.ChecksumIEEE(message[:8]))
	if _, err := payloadsOf(message, 1000); !errors.Is(err, errTooLarge) {
		t.Errorf("a message of 20 MiB: %v", err)
	}
	if _, err := payloadsOf([]byte("this is no event stream at all"), 3); !errors.Is(err, errNoAnswer) {
		t.Errorf("text: %v", err)
	}
}

func FuzzFrames(f *testing.F) {
	f.Add(append(eventMessage(f, []byte(`{"a":"ö"}`)), eventMessage(f, nil)...), uint8(3))
	f.Add([]byte("\x00\x00\x00\x10\x00\x00\x00\x00\x05\xc2\x48\xeb\x7d\x98\xc8\xff"), uint8(1))
	f.Add([]byte("\x00\x00\x00\a00000000"), uint8('Z'))                     // a message shorter than its prelude
	f.Add([]byte("\x00\x00\x00G\x00\x00\x00-\xca.\aE\x020000"), uint8(' ')) // a header of no known type
	f.Fuzz(func(t *testing.T, stream []byte, size uint8) {
		whole, err := payloadsOf(stream, len(stream))
		pieces, err2 := payloadsOf(stream, int(size)+1)
		if fmt.Sprint(err) != fmt.Sprint(err2) || (err == nil && !bytes.Equal(whole, pieces)) {
			t.Errorf("at once %q, %v; in pieces %q, %v", whole, err, pieces, err2)
		}
	})
}
