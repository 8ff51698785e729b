package api

import "modelproviders/pkg/secret"

// Listing is what a cursor is bound to.
type Listing = listing

// ReadPage reads the page of a list that begins at a cursor.
func ReadPage[T, P any](keys *secret.Keyset, l Listing, limit int, cursor string, fetch func(after *P, limit int) ([]T, error), position func(T) P) ([]T, *string, error) {
	return readPage(keys, l, page{limit: limit, cursor: cursor}, fetch, position)
}
