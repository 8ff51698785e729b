package strictjson

import (
	"strings"
	"testing"
	"time"
)

// TestLargeDataWaits: only so much of it is decoded at once. What is small is not
// held up.
func TestLargeDataWaits(t *testing.T) {
	for range cap(atOnce) {
		atOnce <- struct{}{}
	}
	body := []byte(`{"x":"` + strings.Repeat("x", large) + `"}`)
	decoded := make(chan error, 1)
	go func() {
		_, err := Decode(body, &struct{}{})
		decoded <- err
	}()
	if _, err := Decode([]byte(`{"x":1}`), &struct{}{}); err != nil {
		t.Error(err)
	}
	select {
	case <-decoded:
		t.Error("large data was not held up")
		decoded <- nil
	case <-time.After(100 * time.Millisecond):
	}
	for range cap(atOnce) {
		<-atOnce
	}
	select {
	case err := <-decoded:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("large data waits though there is a place")
	}
	if _, err := Decode(body[:len(body)-1], &struct{}{}); err == nil {
		t.Error("data that is cut off is taken")
	}
	if n := len(atOnce); n != 0 {
		t.Errorf("%d places were not given back", n)
	}
}
