package registry_test

import (
	"context"
	"testing"
	"time"

	"modelproviders/pkg/registry"
)

func TestAPanicGivesTheIdempotencyKeyBack(t *testing.T) {
	k := newKit(t)
	idempotency := registry.NewIdempotency(k.store, make([]byte, 32), time.Now)
	key := registry.IdempotencyKey{Workspace: workspace, Principal: "p", Method: "POST", Path: "/providers", Key: "k"}
	do := func(run func(context.Context) (registry.Answer, error)) (registry.Answer, error) {
		answer, _, err := idempotency.Do(t.Context(), key, []byte("{}"), run)
		return answer, err
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic of the run was lost")
			}
		}()
		_, _ = do(func(context.Context) (registry.Answer, error) { panic("run") })
	}()
	answer, err := do(func(context.Context) (registry.Answer, error) { return registry.Answer{Status: 201}, nil })
	if err != nil || answer.Status != 201 {
		t.Errorf("after a panic: got %+v, %v", answer, err)
	}
}
