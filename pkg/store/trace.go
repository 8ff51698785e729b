package store

import (
	"cmp"
	"context"
	"regexp"
	"slices"
	"strings"

	"modelproviders/pkg/tracing"
)

// traced begins the span of a statement.
func traced(ctx context.Context, query string) (context.Context, *tracing.Span) {
	ctx, span := tracing.StartCall(ctx, "statement")
	if span != nil {
		span.Rename(summary(query))
	}
	return ctx, span
}

// accesses finds the tables in a statement, and what is done to them.
var accesses = regexp.MustCompile(`\b(FROM|JOIN|INSERT INTO|UPDATE|DELETE FROM) ([a-z_]{3,})`)

// summary returns what a statement does to which tables, such as `SELECT providers`.
func summary(query string) string {
	var parts []string
	for _, access := range accesses.FindAllStringSubmatch(query, -1) {
		verb, _, _ := strings.Cut(access[1], " ")
		if verb == "FROM" || verb == "JOIN" {
			verb = "SELECT"
		}
		if part := verb + " " + access[2]; !slices.Contains(parts, part) {
			parts = append(parts, part)
		}
	}
	return cmp.Or(strings.Join(parts, ", "), query)
}
