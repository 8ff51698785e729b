package api

import (
	"encoding/json"
	"strconv"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/secret"
)

// Bounds of the limit parameter.
const (
	defaultLimit = 20
	maxLimit     = 100
)

// maxCursor is the maximum length of a cursor, in characters. The longest cursor
// contains a name of 256 characters, which can fold to 3,072 bytes.
const maxCursor = 5000

// page is the page of a list that a request asks for.
type page struct {
	limit  int
	cursor string // empty: the first page
	count  bool   // return the number of rows on all pages
}

// page reads the page of a list. It must be read last, because it returns what is
// wrong with the whole query.
func (q *query) page() (page, error) {
	p := page{limit: q.limit(), cursor: q.c.QueryParam("cursor"), count: orZero(q.flag("count"))}
	switch {
	case p.cursor == "":
		q.presentButEmpty("cursor")
	case len(p.cursor) > maxCursor:
		q.faults.Add("cursor", fault.TooLong, "must have at most %d characters", maxCursor)
	}
	return p, q.faults.Err(fault.MalformedRequest, badQuery)
}

// limit reads the maximum number of entries on a page.
func (q *query) limit() int {
	if !q.c.QueryParams().Has("limit") {
		return defaultLimit
	}
	limit, err := strconv.Atoi(q.c.QueryParam("limit"))
	if err != nil || limit < 1 || limit > maxLimit {
		q.faults.Add("limit", fault.Invalid, "must be a whole number from 1 to %d", maxLimit)
	}
	return limit
}

// total returns what count returns if the request asks for it, and nil if not.
func (p page) total(count func() (int, error)) (*int, error) {
	if !p.count {
		return nil, nil
	}
	n, err := count()
	return &n, err
}

// listing is what a cursor is valid for: a list with a query.
type listing struct {
	Name      string
	Workspace string
	Query     any
}

// readPage reads one page of a list. fetch returns up to limit rows after a
// position, and position returns the position of a row. The second result is
// next_cursor, nil on the last page.
//
// A cursor is the position of the last row of a page, sealed together with its
// listing: a changed one, or one of another list or other filters, is
// malformed_request. Cursors stay valid when rows are added or removed.
//
// readPage fetches one row more than limit to learn whether there is a next page.
func readPage[T, P any](keys *secret.Keyset, l listing, p page, fetch func(after *P, limit int) ([]T, error), position func(T) P) ([]T, *string, error) {
	context, err := json.Marshal(l)
	if err != nil {
		return nil, nil, fault.Wrap(fault.Internal, err, "The list could not be read.")
	}
	after, err := openCursor[P](keys, p.cursor, context)
	if err != nil {
		return nil, nil, err
	}
	rows, err := fetch(after, p.limit+1)
	if err != nil || len(rows) <= p.limit {
		return rows, nil, err
	}
	rows = rows[:p.limit]
	next, err := sealCursor(keys, position(rows[len(rows)-1]), context)
	return rows, &next, err
}

func openCursor[P any](keys *secret.Keyset, cursor string, context []byte) (*P, error) {
	if cursor == "" {
		return nil, nil
	}
	position := new(P)
	payload, err := keys.OpenToken(cursor, context)
	if err == nil {
		err = json.Unmarshal(payload, position)
	}
	if err != nil {
		faults := fault.Fields{{Name: "cursor", Code: fault.Invalid,
			Message: "is not a cursor of this list; send next_cursor unchanged, with the same filters and sort"}}
		return nil, faults.Err(fault.MalformedRequest, badQuery)
	}
	return position, nil
}

func sealCursor(keys *secret.Keyset, position any, context []byte) (string, error) {
	payload, err := json.Marshal(position)
	var cursor string
	if err == nil {
		cursor, err = keys.SealToken(payload, context)
	}
	if err != nil {
		return "", fault.Wrap(fault.Internal, err, "The next page could not be prepared.")
	}
	return cursor, nil
}
