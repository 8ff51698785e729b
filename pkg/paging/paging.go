// Package paging reads lists a page at a time.
//
// A list goes on from a position, the last row of the page before. A client
// carries it as a cursor: sealed, and bound to the list, the workspace and what
// was asked for, so that a cursor that was changed, or is used with another
// list or other filters, does not open. Rows that are added or removed
// meanwhile do not matter to it.
package paging

import (
	"encoding/json"

	"modelproviders/pkg/fault"
)

// Page asks for one page of a list.
type Page struct {
	Limit  int    // 1 to 100
	Cursor string // empty: the first page
}

// Sealer makes strings that only it can read and nobody else can make. What was
// sealed in one context does not open in another. A secret.Keyset is one.
type Sealer interface {
	SealToken(payload, context []byte) (string, error)
	OpenToken(token string, context []byte) ([]byte, error)
}

// List is one list: its name, whose it is, and what was asked for, without a
// position.
type List struct {
	Name      string
	Workspace string
	Query     any
}

// Read reads one page of a list. fetch returns up to limit rows after a
// position, and position tells where a row stands. The second result is the
// cursor of the next page, empty on the last one. It returns malformed_request
// for a cursor that is not of this list.
//
// One row more than asked for is fetched: whether there is a next page costs no
// second query.
func Read[T, P any](sealer Sealer, list List, p Page, fetch func(after *P, limit int) ([]T, error), position func(T) P) ([]T, string, error) {
	context, err := json.Marshal(list)
	if err != nil {
		return nil, "", fault.Wrap(fault.Internal, err, "The list could not be read.")
	}
	after, err := open[P](sealer, p.Cursor, context)
	if err != nil {
		return nil, "", err
	}
	rows, err := fetch(after, p.Limit+1)
	if err != nil || len(rows) <= p.Limit {
		return rows, "", err
	}
	rows = rows[:p.Limit]
	next, err := seal(sealer, position(rows[len(rows)-1]), context)
	return rows, next, err
}

func open[P any](sealer Sealer, cursor string, context []byte) (*P, error) {
	if cursor == "" {
		return nil, nil
	}
	position := new(P)
	payload, err := sealer.OpenToken(cursor, context)
	if err == nil {
		err = json.Unmarshal(payload, position)
	}
	if err != nil {
		faults := fault.Fields{{Name: "cursor", Code: fault.Invalid,
			Message: "is not a cursor of this list: use next_cursor as it was answered, with the same filters and sort"}}
		return nil, faults.Err(fault.MalformedRequest, "The cursor can't be used here.")
	}
	return position, nil
}

func seal[P any](sealer Sealer, last P, context []byte) (string, error) {
	payload, err := json.Marshal(last)
	if err != nil {
		return "", fault.Wrap(fault.Internal, err, "The list could not be continued.")
	}
	cursor, err := sealer.SealToken(payload, context)
	if err != nil {
		return "", fault.Wrap(fault.Internal, err, "The list could not be continued.")
	}
	return cursor, nil
}
