package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// TestProgressForPrograms: JSON lines, at most one per second, and the last state.
func TestProgressForPrograms(t *testing.T) {
	var said bytes.Buffer
	p := newProgress(streams{stderr: &said}, "values")
	passed := time.Duration(0)
	p.now = func() time.Time { return p.began.Add(passed) }
	for done := range 111 {
		p.update(done, 110)
		passed += 40 * time.Millisecond
	}
	p.say("one is broken")
	p.end()
	var lines []progressLine
	for text := range strings.Lines(said.String()) {
		var line progressLine
		if text == "one is broken\n" {
			continue
		}
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		lines = append(lines, line)
	}
	if len(lines) != 6 {
		t.Fatalf("printed %d lines in 4.4 seconds:\n%s", len(lines), &said)
	}
	for i := range 4 {
		if apart := lines[i+1].Time.Sub(lines[i].Time); apart < time.Second {
			t.Errorf("two lines are %v apart", apart)
		}
	}
	last := lines[5]
	if last.Done != 110 || last.Total != 110 || last.PerSecond != 25 || *last.SecondsLeft != 0 || lines[0].SecondsLeft != nil || *lines[2].SecondsLeft != 3 {
		t.Errorf("printed\n%s", &said)
	}
	if !strings.Contains(said.String(), "one is broken\n") {
		t.Errorf("the message is missing in\n%s", &said)
	}
}
