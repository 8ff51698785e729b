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
	decoded := make(chan error)
	go func() {
		_, err := Decode([]byte(`{"x":"`+strings.Repeat("x", large)+`"}`), &struct{}{})
		decoded <- err
	}()
	if _, err := Decode([]byte(`{"x":1}`), &struct{}{}); err != nil {
		t.Error(err)
	}
	select {
	case <-decoded:
		t.Error("large data was not held up")
	case <-time.After(100 * time.Millisecond):
	}
	for range cap(atOnce) {
		<-atOnce
	}
	if err := <-decoded; err != nil {
		t.Error(err)
	}
}
