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
	last         *progressLine // not shown yet
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
	line := &progressLine{Time: p.now().UTC(), Done: done, Total: max(done, total)}
	if elapsed := line.Time.Sub(p.began).Seconds(); elapsed > 0 {
		line.PerSecond = math.Round(float64(done)/elapsed*10) / 10
	}
	if line.PerSecond > 0 {
		left := math.Ceil(float64(line.Total-done) / line.PerSecond)
		line.SecondsLeft = &left
	}
	p.last = line
	every := lineEvery
	if p.terminal {
		every = redrawEvery
	}
	if line.Time.Sub(p.shown) >= every {
		p.show()
	}
}

// show shows the last progress.
func (p *progress) show() {
	if p.last == nil {
		return
	}
	p.shown = p.last.Time
	if p.terminal {
		fmt.Fprint(p.w, clearLine+p.last.bar(p.unit))
		return
	}
	_ = json.NewEncoder(p.w).Encode(p.last) // like other writes to stderr
	p.last = nil
}

// end shows the last progress, and ends its line.
func (p *progress) end() {
	p.show()
	if p.terminal && p.last != nil {
		fmt.Fprintln(p.w)
	}
	p.last = nil
}

// say writes a line in between.
func (p *progress) say(text string) {
	if p.terminal {
		fmt.Fprint(p.w, clearLine)
	}
	fmt.Fprintln(p.w, text)
	if p.terminal {
		p.show()
	}
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
