package client

import (
	"context"
	"iter"
)

// list iterates over the entries of all pages of a list, from the one that a request asks
// for.
func list[T any](ctx context.Context, c *Client, r request) iter.Seq2[T, error] {
	type page struct {
		Data       []T    `json:"data"`
		NextCursor string `json:"next_cursor"`
	}
	return func(yield func(T, error) bool) {
		for r := r; ; {
			p, err := send[page](ctx, c, r)
			if err != nil {
				yield(*new(T), err)
				return
			}
			for _, entry := range p.Data {
				if !yield(entry, nil) {
					return
				}
			}
			if p.NextCursor == "" {
				return
			}
			r.cursor = p.NextCursor
		}
	}
}
