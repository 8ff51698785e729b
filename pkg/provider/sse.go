package provider

import (
	"bufio"
	"bytes"
	"io"
)

// readEvents reads server-sent events (WHATWG HTML, section 9.2) and calls each
// with the data of one that has any, until the stream ends or each returns an
// error. Names and ids of events are passed over. An event that the stream
// breaks off in is not passed on.
func readEvents(r io.Reader, each func(data []byte) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 4<<10), maxEvent+1<<10)
	var data []byte
	for lines.Scan() {
		line := bytes.TrimSuffix(lines.Bytes(), []byte("\r"))
		if len(line) == 0 {
			if len(data) > 0 {
				if err := each(data); err != nil {
					return err
				}
				data = data[:0]
			}
			continue
		}
		if value, found := bytes.CutPrefix(line, []byte("data:")); found {
			if len(data) > 0 {
				data = append(data, '\n')
			}
			data = append(data, bytes.TrimPrefix(value, []byte(" "))...)
		}
	}
	return lines.Err()
}
