package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
	"time"
)

// progress says on stderr how far a command is: with a bar on a terminal, and elsewhere
// with JSON lines, at most one per second.
type progress struct {
	w        io.Writer
	terminal bool
	unit     string // what is counted, such as `values`
	now      func() time.Time

	began, shown time.Time
	text         string // the last progress; empty: a line that was shown
}

// progressLine is a JSON line.
type progressLine struct {
	Time        time.Time `json:"time"`
	Done        int       `json:"done"`
	Total       int       `json:"total"`
	PerSecond   float64   `json:"per_second"`
	SecondsLeft *float64  `json:"seconds_left"` // null: unknown
}

// Periods between what is shown.
const (
	redrawEvery = 100 * time.Millisecond
	lineEvery   = time.Second
)

func newProgress(out streams, unit string) *progress {
	return &progress{w: out.stderr, terminal: isTerminal(out.stderr), unit: unit, now: time.Now, began: time.Now()}
}

// update shows the progress, unless the last one was shown just before.
func (p *progress) update(done, total int) {
	line := progressLine{Time: p.now().UTC(), Done: done, Total: max(done, total)}
	if elapsed := line.Time.Sub(p.began).Seconds(); elapsed > 0 {
		line.PerSecond = math.Round(float64(done)/elapsed*10) / 10
	}
	if line.PerSecond > 0 {
		left := math.Ceil(float64(line.Total-done) / line.PerSecond)
		line.SecondsLeft = &left
	}
	every := redrawEvery
	if p.terminal {
		p.text = clearLine + line.bar(p.unit)
	} else {
		encoded, _ := json.Marshal(line) // numbers and times can always be encoded
		p.text, every = string(encoded)+"\n", lineEvery
	}
	if line.Time.Sub(p.shown) >= every {
		p.shown = line.Time
		p.show()
	}
}

// show shows the last progress.
func (p *progress) show() {
	fmt.Fprint(p.w, p.text)
	if !p.terminal {
		p.text = ""
	}
}

// end shows the last progress, and ends its line.
func (p *progress) end() {
	p.show()
	if p.text != "" {
		fmt.Fprintln(p.w)
	}
	p.text = ""
}

// say writes a line in between.
func (p *progress) say(text string) {
	if !p.terminal {
		fmt.Fprintln(p.w, text)
		return
	}
	fmt.Fprintln(p.w, clearLine+text)
	p.show()
}

const (
	clearLine = "\r\x1b[K"
	barWidth  = 25
)

func (l progressLine) bar(unit string) string {
	filled := barWidth
	if l.Total > 0 {
		filled = barWidth * l.Done / l.Total
	}
	text := fmt.Sprintf("[%s%s] %d of %d %s, %.0f per second", strings.Repeat("#", filled), strings.Repeat(" ", barWidth-filled), l.Done, l.Total, unit, l.PerSecond)
	if l.SecondsLeft != nil && l.Done < l.Total {
		text += fmt.Sprintf(", %v left", time.Duration(*l.SecondsLeft)*time.Second)
	}
	return text
}
