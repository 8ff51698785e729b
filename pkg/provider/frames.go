package provider

import (
	"encoding/binary"
	"hash/crc32"
)

// frames follows the messages of AWS's binary event stream as they are read:
// twelve bytes of prelude (length, length of the headers, checksum of both),
// headers, payload, a checksum of four. The decoder of the SDK takes a message
// of 24 MiB into memory, and mends text that is not UTF-8.
// Source: Amazon Bedrock and Amazon Transcribe guides, "Event stream encoding".
type frames struct {
	prelude [preludeLength]byte
	at      int // place in the message
	payload int // where its payload begins
	end     int // where its payload ends
	broken  bool
}

const (
	preludeLength  = 12
	checksumLength = 4
)

// read takes the next bytes of the stream, and calls text with each piece of a
// payload; last says that the payload ends with it. It returns errTooLarge for a
// message that is too long, and errNotUTF8 when text returns false. A message
// whose prelude is broken is left to the decoder, which refuses it.
func (f *frames) read(p []byte, text func(piece []byte, last bool) bool) error {
	for len(p) > 0 && !f.broken {
		if f.at < preludeLength {
			n := copy(f.prelude[f.at:], p)
			f.at, p = f.at+n, p[n:]
			if f.at < preludeLength {
				return nil
			}
			if err := f.begin(); err != nil || f.broken {
				return err
			}
		}
		if f.at < f.payload {
			n := min(len(p), f.payload-f.at)
			f.at, p = f.at+n, p[n:]
		}
		if n := min(len(p), f.end-f.at); f.at >= f.payload && n > 0 {
			if !text(p[:n], f.at+n == f.end) {
				return errNotUTF8
			}
			f.at, p = f.at+n, p[n:]
		}
		if f.at >= f.end {
			n := min(len(p), f.end+checksumLength-f.at)
			f.at, p = f.at+n, p[n:]
			if f.at == f.end+checksumLength {
				f.at = 0
			}
		}
	}
	return nil
}

// begin reads the prelude.
func (f *frames) begin() error {
	length := int(binary.BigEndian.Uint32(f.prelude[0:]))
	headers := int(binary.BigEndian.Uint32(f.prelude[4:]))
	f.payload = preludeLength + headers
	f.end = length - checksumLength
	f.broken = crc32.ChecksumIEEE(f.prelude[:8]) != binary.BigEndian.Uint32(f.prelude[8:]) || f.end < f.payload
	if !f.broken && length > maxEvent {
		return errTooLarge
	}
	return nil
}
