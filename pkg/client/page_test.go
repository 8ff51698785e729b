package client_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"sync/atomic"
	"testing"

	"modelproviders/pkg/client"
)

// all returns the entries of a list.
func all[T any](t *testing.T, list iter.Seq2[T, error]) (entries []T) {
	t.Helper()
	for entry, err := range list {
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, entry)
	}
	return entries
}

func TestPages(t *testing.T) {
	var requests atomic.Int64
	c := connect(t, serve(t, nil), counting(&requests, http.MethodGet))
	for i := range 25 {
		must(c.CreateProvider(t.Context(), openAI(fmt.Sprintf("Provider %02d", i))))(t)
	}
	list := c.ListProviders(t.Context(), client.ListProvidersParams{Limit: 10, Sort: client.SortOrderMinusName})
	for range 2 { // a list can be iterated over again
		requests.Store(0)
		providers := all(t, list)
		if len(providers) != 25 || providers[0].Name != "Provider 24" || providers[24].Name != "Provider 00" || requests.Load() != 3 {
			t.Errorf("%d requests for %d providers", requests.Load(), len(providers))
		}
	}
	requests.Store(0)
	for p, err := range list {
		if err != nil {
			t.Fatal(err)
		}
		if p.Name == "Provider 15" { // the last one of the first page
			break
		}
	}
	if requests.Load() != 1 {
		t.Errorf("%d requests for the first page", requests.Load())
	}
	page := must(c.ListProvidersPage(t.Context(), client.ListProvidersParams{Limit: 10, Count: true}))(t)
	if len(page.Data) != 10 || page.NextCursor == "" || page.Total != 25 {
		t.Errorf("a page of %d, %d in total, next %q", len(page.Data), page.Total, page.NextCursor)
	}
	rest := all(t, c.ListProviders(t.Context(), client.ListProvidersParams{Limit: 10, Cursor: page.NextCursor}))
	if len(rest) != 15 || rest[0].Name != "Provider 10" {
		t.Errorf("%d providers after the first page", len(rest))
	}
}

func TestPagesEndWithAnError(t *testing.T) {
	c := connect(t, serve(t, nil))
	for i := range 3 {
		must(c.CreateProvider(t.Context(), openAI(fmt.Sprint("Provider ", i))))(t)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var read int
	var last error
	for _, err := range c.ListProviders(ctx, client.ListProvidersParams{Limit: 1}) {
		if last = err; err == nil {
			read++
		}
		cancel()
	}
	if read != 1 || !errors.Is(last, context.Canceled) {
		t.Errorf("%d providers, then %v", read, last)
	}
}
