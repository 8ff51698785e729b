package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/mattn/go-isatty"
)

// streams are what a command writes to.
//
// A command prints its result on stdout, in one of three forms:
//   - On a terminal: a table with headings, for people.
//   - Elsewhere: a record per line, its values separated by tabs, without headings.
//     `cut`, `awk` and `while read` can split it.
//   - With --json: a JSON object per line, with the field names of the API.
//
// Therefore a command that has a result embeds [outputFlags] and calls [printRecords].
// What a command says about its work, such as advice or progress, goes to stderr; see
// [streams.note].
type streams struct {
	stdout, stderr io.Writer
	logger         *slog.Logger // writes to stderr
}

// outputFlags are the flags of a command that has a result.
type outputFlags struct {
	JSON bool `name:"json" help:"Print a JSON object per line."`
}

// column is one value of each record that a command prints.
type column[T any] struct {
	heading string // empty for results that need no headings
	value   func(T) string
}

// printRecords prints the result of a command. The JSON of a record is that of T.
func printRecords[T any](out streams, flags outputFlags, columns []column[T], records ...T) error {
	if flags.JSON {
		encoder := json.NewEncoder(out.stdout)
		encoder.SetEscapeHTML(false)
		for _, record := range records {
			if err := encoder.Encode(record); err != nil {
				return err
			}
		}
		return nil
	}
	if !isTerminal(out.stdout) {
		return writeLines(out.stdout, columns, records)
	}
	table := tabwriter.NewWriter(out.stdout, 0, 0, 2, ' ', 0)
	var headings []string
	for _, c := range columns {
		headings = append(headings, c.heading)
	}
	if line := strings.Join(headings, "\t"); strings.TrimSpace(line) != "" {
		fmt.Fprintln(table, line)
	}
	if err := writeLines(table, columns, records); err != nil {
		return err
	}
	return table.Flush()
}

func writeLines[T any](w io.Writer, columns []column[T], records []T) error {
	for _, record := range records {
		var values []string
		for _, c := range columns {
			values = append(values, oneLine(c.value(record)))
		}
		if _, err := fmt.Fprintln(w, strings.Join(values, "\t")); err != nil {
			return err
		}
	}
	return nil
}

// oneLine replaces control characters, which would break a line or control the terminal.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}

// note tells a person at the terminal something that is not part of the result.
func (s streams) note(format string, args ...any) {
	if isTerminal(s.stdout) {
		fmt.Fprintf(s.stderr, format+"\n", args...)
	}
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && isatty.IsTerminal(file.Fd())
}
