package storetest

import (
	"context"
	"errors"
	"testing"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/registry"
	"modelproviders/pkg/store"
)

func testTransaction(t *testing.T, s *store.Store) {
	stop := errors.New("stop")
	absent := func(p registry.Provider) {
		t.Helper()
		_, err := s.Provider(t.Context(), workspace, p.ID)
		wantFault(t, "read "+p.Name, err, fault.NotFound)
	}

	a, b := newProvider("a", "m"), newProvider("b", "m")
	token := newToken("with both")
	noError(t, "commit", s.InTx(t.Context(), func(ctx context.Context) error {
		if err := add(ctx, s, a); err != nil {
			return err
		}
		if _, err := s.Provider(ctx, workspace, a.ID); err != nil {
			t.Errorf("the transaction does not see what it did: %v", err)
		}
		absent(a) // outside
		return s.InTx(ctx, func(ctx context.Context) error {
			return errors.Join(add(ctx, s, b), s.CreateToken(ctx, token))
		})
	}))
	wantStored(t, s, a)
	wantStored(t, s, b)
	_, err := s.TokenByHash(t.Context(), token.Hash)
	noError(t, "read the token", err)

	c := newProvider("c", "m")
	err = s.InTx(t.Context(), func(ctx context.Context) error {
		noError(t, "create", add(ctx, s, c))
		noError(t, "delete", s.DeleteProvider(ctx, a, start))
		return stop
	})
	if !errors.Is(err, stop) {
		t.Errorf("the error of the function: got %v", err)
	}
	absent(c)
	wantStored(t, s, a)

	err = s.InTx(t.Context(), func(ctx context.Context) error {
		noError(t, "create", add(ctx, s, c))
		_ = s.InTx(ctx, func(context.Context) error { return stop })
		return nil
	})
	if !errors.Is(err, stop) {
		t.Errorf("a nested error that was passed over: got %v", err)
	}
	absent(c)

	err = s.InTx(t.Context(), func(ctx context.Context) error {
		noError(t, "create", add(ctx, s, c))
		_ = add(ctx, s, newProvider("A"))
		return nil
	})
	if err == nil {
		t.Error("a failed step that was passed over was committed")
	}
	absent(c)

	noError(t, "what is not found ends no transaction", s.InTx(t.Context(), func(ctx context.Context) error {
		_, err := s.LockProvider(ctx, workspace, newID())
		wantFault(t, "lock", err, fault.NotFound)
		return nil
	}))

	func() {
		defer func() {
			if recover() != "panic" {
				t.Error("the panic was swallowed")
			}
		}()
		_ = s.InTx(t.Context(), func(ctx context.Context) error {
			noError(t, "create", add(ctx, s, c))
			panic("panic")
		})
	}()
	absent(c)
	create(t, s, c) // nothing is left locked
}

func testCancellation(t *testing.T, s *store.Store) {
	p := newProvider("p", "m")
	create(t, s, p)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	for _, call := range []func(context.Context) error{
		func(ctx context.Context) error { _, err := s.Provider(ctx, workspace, p.ID); return err },
		func(ctx context.Context) error {
			_, err := s.Models(ctx, workspace, registry.ModelQuery{})
			return err
		},
		func(ctx context.Context) error { return s.DeleteProvider(ctx, p, start) },
		func(ctx context.Context) error { return s.SchemaCurrent(ctx) },
	} {
		if err := call(cancelled); !errors.Is(err, context.Canceled) || fault.As(err) != nil {
			t.Errorf("cancelled: got %v", err)
		}
		if err := call(late); !errors.Is(err, context.DeadlineExceeded) || fault.As(err) != nil {
			t.Errorf("too late: got %v", err)
		}
	}

	inside, cancel := context.WithCancel(t.Context())
	err := s.InTx(inside, func(ctx context.Context) error {
		noError(t, "delete", s.DeleteProvider(ctx, p, start))
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled before the commit: got %v", err)
	}
	wantStored(t, s, p)
}
