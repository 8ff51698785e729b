package bench_test

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// table is what is printed: Markdown whose columns line up.
type table [][]string

func (t *table) add(name, callers string, product, floor figures, goal goal) {
	if *t == nil {
		*t = table{{"call", "callers", "product p50", "p99", "per s", "floor p50", "p99", "per s", "p50 ratio", "per s ratio", "goal"}}
	}
	row := []string{name, callers}
	for _, f := range []figures{product, floor} {
		row = append(row, milliseconds(f.p50), milliseconds(f.p99), number("%.0f", f.perSecond))
	}
	row = append(row, ratio("%.2f", float64(product.p50), float64(floor.p50)), ratio("%.2f", product.perSecond, floor.perSecond))
	said := ""
	if goal != nil {
		said = goal(product, floor)
	}
	*t = append(*t, append(row, said))
}

func milliseconds(d time.Duration) string {
	return number("%.2f", float64(d)/float64(time.Millisecond))
}

func number(format string, value float64) string {
	if value == 0 {
		return ""
	}
	return fmt.Sprintf(format, value)
}

func ratio(format string, a, b float64) string {
	if a == 0 || b == 0 {
		return ""
	}
	return fmt.Sprintf(format, a/b)
}

// String writes the table.
func (t table) String() string {
	width := make([]int, len(t[0]))
	for _, row := range t {
		for i, cell := range row {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	var out strings.Builder
	write := func(row []string) {
		for i, cell := range row {
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell))
			if i == 0 || i == len(row)-1 { // texts
				cell += pad
			} else {
				cell = pad + cell
			}
			out.WriteString("| " + cell + " ")
		}
		out.WriteString("|\n")
	}
	write(t[0])
	for i, w := range width {
		rule := strings.Repeat("-", w+1)
		if i == 0 || i == len(width)-1 {
			out.WriteString("|" + rule + "-")
		} else {
			out.WriteString("|" + rule + ":")
		}
	}
	out.WriteString("|\n")
	for _, row := range t[1:] {
		write(row)
	}
	return out.String()
}

// goal says what is aimed at, and whether it was reached.
type goal func(product, floor figures) string

func p50AtMost(bound float64) goal {
	return func(product, floor figures) string {
		return said(fmt.Sprintf("p50 ratio ≤ %.1f", bound), float64(product.p50) <= bound*float64(floor.p50))
	}
}

func perSecondAtLeast(bound float64) goal {
	return func(product, floor figures) string {
		return said(fmt.Sprintf("per s ratio ≥ %.2f", bound), product.perSecond >= bound*floor.perSecond)
	}
}

// addedAtMost is for a machine whose floor manages half of the bounds.
func addedAtMost(p50, p99 time.Duration) goal {
	return func(product, floor figures) string {
		aim := fmt.Sprintf("p50 ≤ %v, p99 ≤ %v", p50, p99)
		if floor.p50 > p50/2 || floor.p99 > p99/2 {
			return aim + " (no goal: the floor needs more than half)"
		}
		return said(aim, product.p50 <= p50 && product.p99 <= p99)
	}
}

func said(aim string, reached bool) string {
	if reached {
		return aim + ": reached"
	}
	return aim + ": missed"
}
