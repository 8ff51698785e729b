package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/registry"
	"modelproviders/pkg/store"
)

func newIdempotentRequest(body string) registry.IdempotentRequest {
	return registry.IdempotentRequest{
		IdempotencyKey: registry.IdempotencyKey{Workspace: workspace, Principal: "p", Method: "POST", Path: "/providers", Key: "k"},
		BodyMAC:        []byte("mac of " + body), Owner: newID(), Expires: start.Add(time.Minute),
	}
}

func testIdempotency(t *testing.T, s *store.Store) {
	begin := func(what string, r registry.IdempotentRequest, now time.Time, want registry.IdempotentRequest) {
		t.Helper()
		got, err := s.BeginIdempotentRequest(t.Context(), r, now)
		noError(t, what, err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	first, second := newIdempotentRequest("first"), newIdempotentRequest("second")
	begin("the first", first, start, first)
	begin("one while it runs", second, start, first)
	for _, change := range []func(*registry.IdempotencyKey){
		func(k *registry.IdempotencyKey) { k.Workspace = "another" },
		func(k *registry.IdempotencyKey) { k.Principal = "q" },
		func(k *registry.IdempotencyKey) { k.Method = "PUT" },
		func(k *registry.IdempotencyKey) { k.Path = "/models/\xff" },
		func(k *registry.IdempotencyKey) { k.Key = "l" },
		func(k *registry.IdempotencyKey) { k.Path, k.Key = k.Path+k.Key, "" },
	} {
		other := newIdempotentRequest("other")
		change(&other.IdempotencyKey)
		begin("another key", other, start, other)
	}

	wantFault(t, "finish what another holds", s.FinishIdempotentRequest(t.Context(), withAnswer(second)), fault.Conflict)
	noError(t, "abandon what another holds", s.AbandonIdempotentRequest(t.Context(), second))
	begin("which is left alone", second, start, first)
	noError(t, "abandon", s.AbandonIdempotentRequest(t.Context(), first))
	begin("one after that", second, start, second)

	third := newIdempotentRequest("third")
	third.Expires = start.Add(2 * time.Minute)
	begin("one that expired is taken over", third, second.Expires, third)
	wantFault(t, "finish what was taken over", s.FinishIdempotentRequest(t.Context(), withAnswer(second)), fault.Conflict)

	undo := errors.New("undo")
	err := s.InTx(t.Context(), func(ctx context.Context) error {
		noError(t, "finish", s.FinishIdempotentRequest(ctx, withAnswer(third)))
		return undo
	})
	if !errors.Is(err, undo) {
		t.Errorf("InTx: got %v", err)
	}
	begin("an answer that was rolled back", second, start, third)

	done := withAnswer(third)
	noError(t, "finish", s.FinishIdempotentRequest(t.Context(), done))
	begin("one that has an answer", second, start, done)
	wantFault(t, "finish again", s.FinishIdempotentRequest(t.Context(), done), fault.Conflict)
	noError(t, "abandon what has an answer", s.AbandonIdempotentRequest(t.Context(), third))
	begin("which is kept", second, start, done)

	noError(t, "drop", s.DropIdempotentRequests(t.Context(), done.Expires.Add(-time.Millisecond)))
	begin("what has not expired", second, start, done)
	noError(t, "drop", s.DropIdempotentRequests(t.Context(), done.Expires))
	begin("what was dropped", second, start, second)

	const many = 600 // more than are dropped in one transaction
	noError(t, "begin many", s.InTx(t.Context(), func(ctx context.Context) error {
		for i := range many {
			r := newIdempotentRequest("many")
			r.Key, r.Expires = fmt.Sprint("many ", i), start.Add(time.Duration(i)*time.Millisecond)
			if _, err := s.BeginIdempotentRequest(ctx, r, start); err != nil {
				return err
			}
		}
		return nil
	}))
	noError(t, "drop many", s.DropIdempotentRequests(t.Context(), start.Add((many-2)*time.Millisecond)))
	for i, gone := range map[int]bool{1: true, many - 2: true, many - 1: false} {
		r := newIdempotentRequest("who comes later")
		r.Key = fmt.Sprint("many ", i)
		held, err := s.BeginIdempotentRequest(t.Context(), r, start)
		noError(t, "begin one of many", err)
		if (held.Owner == r.Owner) != gone {
			t.Errorf("request %d is held by %q; dropped: %v", i, held.Owner, gone)
		}
	}

	bare := newIdempotentRequest("bare")
	bare.Key, bare.Answer = "bare", nil
	begin("bare", bare, start, bare)
	bare.Answer = &registry.Answer{Status: 204}
	noError(t, "finish without a body", s.FinishIdempotentRequest(t.Context(), bare))
	begin("an answer without header and body", bare, start, bare)
}

func withAnswer(r registry.IdempotentRequest) registry.IdempotentRequest {
	r.Expires = start.Add(24 * time.Hour)
	r.Answer = &registry.Answer{Status: 201, Header: map[string]string{"Location": "/providers/1", "ETag": `"1"`}, Body: []byte("{\"a\":\"\\u0000\"}\n\xff\x00")}
	return r
}

// repeatablesTogether checks that one of those that begin a request at once, on
// several stores of one database, runs it.
func repeatablesTogether(t *testing.T, stores ...*store.Store) {
	const callers = 16
	begin := func(key string, now time.Time) {
		t.Helper()
		var won atomic.Int64
		together(callers, func(i int) {
			r := newIdempotentRequest(fmt.Sprint("body ", i))
			r.Key, r.Expires = key, now.Add(time.Minute)
			held, err := stores[i%len(stores)].BeginIdempotentRequest(t.Context(), r, now)
			if err != nil {
				t.Error("begin:", err)
			}
			if held.Owner == r.Owner {
				won.Add(1)
			}
		})
		if won.Load() != 1 {
			t.Errorf("%d runs have the key, want 1", won.Load())
		}
	}
	for range 4 {
		key := newID()
		begin(key, start)
		begin(key, start.Add(time.Minute)) // by then the first has expired
	}
}
