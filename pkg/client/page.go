package client

import "iter"

// entries iterates over the entries of all pages, from the one at a cursor. request returns
// the entries of a page and the cursor of the page after it, which is empty after the last.
func entries[T any](first string, request func(cursor string) ([]T, string, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for cursor := first; ; {
			data, after, err := request(cursor)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, entry := range data {
				if !yield(entry, nil) {
					return
				}
			}
			if after == "" {
				return
			}
			cursor = after
		}
	}
}
