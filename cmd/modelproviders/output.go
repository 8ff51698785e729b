package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"text/tabwriter"
	"time"
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

// printRecords prints the result of a command: the values of each record, under headings
// that are separated by tabs, or the record as JSON. Results of one value have no heading.
func printRecords[T any](out streams, flags outputFlags, headings string, values func(T) []any, records ...T) error {
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
	var text strings.Builder
	if isTerminal(out.stdout) && headings != "" {
		text.WriteString(headings + "\n")
	}
	for _, record := range records {
		var cells []string
		for _, value := range values(record) {
			cells = append(cells, oneLine(asText(value)))
		}
		text.WriteString(strings.Join(cells, "\t") + "\n")
	}
	if !isTerminal(out.stdout) {
		_, err := io.WriteString(out.stdout, text.String())
		return err
	}
	table := tabwriter.NewWriter(out.stdout, 0, 0, 2, ' ', 0)
	_, err := io.WriteString(table, text.String())
	return errors.Join(err, table.Flush())
}

// asText formats a value of a record.
func asText(value any) string {
	at, isTime := value.(*time.Time)
	switch {
	case !isTime:
		return fmt.Sprint(value)
	case at == nil:
		return "never"
	}
	return at.Format(time.RFC3339)
}

// words joins the elements of a list with spaces.
func words[T any](list []T) string { return strings.Trim(fmt.Sprint(list), "[]") }

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
