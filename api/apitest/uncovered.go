package apitest

import (
	"fmt"
	"slices"
	"sync"
)

// coverage records which documented answers occurred.
type coverage struct {
	mu      sync.Mutex
	reached map[string]bool
}

// place is an operation with a status and, if several media types are documented for
// it, the media type.
func place(op *operation, status int, media string) string {
	if len(op.answers[status].content) > 1 {
		return fmt.Sprintf("%s %d %s", op.id, status, media)
	}
	return fmt.Sprintf("%s %d", op.id, status)
}

func (c *coverage) reach(place string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reached[place] = true
}

// Uncovered returns every documented operation and status that has not occurred so
// far, such as `createProvider 409`, in order. If several media types are documented
// for a status, each must occur.
func (c *Checker) Uncovered() []string {
	c.coverage.mu.Lock()
	defer c.coverage.mu.Unlock()
	var missing []string
	for _, op := range c.spec.operations {
		for status, answer := range op.answers {
			medias := []string{""}
			if len(answer.content) > 1 {
				medias = medias[:0]
				for media := range answer.content {
					medias = append(medias, media)
				}
			}
			for _, media := range medias {
				if at := place(op, status, media); !c.coverage.reached[at] {
					missing = append(missing, at)
				}
			}
		}
	}
	slices.Sort(missing)
	return missing
}
