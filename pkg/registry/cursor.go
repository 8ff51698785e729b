package registry

import (
	"encoding/json"

	"modelproviders/pkg/fault"
)

// Page asks for one page of a list.
type Page struct {
	Limit  int    // 1 to 100
	Cursor string // empty: the first page
}

// cursor makes and reads the opaque cursors of one list: a position, sealed
// and bound to workspace, filters and order, so that a cursor that was changed,
// or is used with another list, does not open.
type cursor struct {
	registry *Registry
	context  []byte
}

// cursorFor binds cursors to the list that a query without position selects.
func (r *Registry) cursorFor(list, workspace string, query any) (cursor, error) {
	context, err := json.Marshal([]any{list, workspace, query})
	if err != nil {
		return cursor{}, fault.Wrap(fault.Internal, err, "The list could not be read.")
	}
	return cursor{registry: r, context: context}, nil
}

func (c cursor) open(token string) (*Position, error) {
	if token == "" {
		return nil, nil
	}
	position := &Position{}
	payload, err := c.registry.keyset.OpenToken(token, c.context)
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

func (c cursor) seal(last Position) (string, error) {
	payload, err := json.Marshal(last)
	if err != nil {
		return "", fault.Wrap(fault.Internal, err, "The list could not be continued.")
	}
	token, err := c.registry.keyset.SealToken(payload, c.context)
	if err != nil {
		return "", fault.Wrap(fault.Internal, err, "The list could not be continued.")
	}
	return token, nil
}

// page reads one page: fetch returns up to limit rows after a position, and
// position tells where a row stands. One row more than asked for is fetched:
// whether there is a next page costs no second query.
func page[T any](c cursor, p Page, fetch func(after *Position, limit int) ([]T, error), position func(T) Position) ([]T, string, error) {
	after, err := c.open(p.Cursor)
	if err != nil {
		return nil, "", err
	}
	rows, err := fetch(after, p.Limit+1)
	if err != nil || len(rows) <= p.Limit {
		return rows, "", err
	}
	rows = rows[:p.Limit]
	next, err := c.seal(position(rows[len(rows)-1]))
	return rows, next, err
}
