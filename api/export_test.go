package api

import "context"

// HoldLargeBodies takes all places for large bodies until the context ends, or
// release is called.
func HoldLargeBodies(ctx context.Context) (release func(), err error) {
	const all = 8
	return func() { largeBodies.Release(all) }, largeBodies.Acquire(ctx, all)
}
