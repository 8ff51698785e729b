package paging_test

import (
	"path/filepath"
	"slices"
	"testing"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/paging"
	"modelproviders/pkg/secret"
)

type position struct {
	Last int `json:"l"`
}

type filter struct{ Type string }

var list = paging.List{Name: "numbers", Workspace: "default", Query: filter{Type: "odd"}}

func newSealer(t testing.TB) paging.Sealer {
	t.Helper()
	keys, err := secret.Create(filepath.Join(t.TempDir(), "keyset.json"))
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// read reads a page of the given numbers.
func read(sealer paging.Sealer, l paging.List, p paging.Page, numbers ...int) ([]int, string, error) {
	return paging.Read(sealer, l, p, func(after *position, limit int) ([]int, error) {
		var rows []int
		for _, n := range numbers {
			if (after == nil || n > after.Last) && len(rows) < limit {
				rows = append(rows, n)
			}
		}
		return rows, nil
	}, func(n int) position { return position{Last: n} })
}

func TestPagesFollowEachOther(t *testing.T) {
	sealer := newSealer(t)
	first, cursor, err := read(sealer, list, paging.Page{Limit: 2}, 1, 3, 5, 7)
	if err != nil || !slices.Equal(first, []int{1, 3}) || cursor == "" {
		t.Fatalf("first page: got %v, cursor %q, %v", first, cursor, err)
	}
	// Rows were added and removed meanwhile; the last row of the page too.
	second, cursor, err := read(sealer, list, paging.Page{Limit: 2, Cursor: cursor}, 1, 2, 4, 7)
	if err != nil || !slices.Equal(second, []int{4, 7}) || cursor != "" {
		t.Errorf("second page: got %v, cursor %q, %v", second, cursor, err)
	}
	whole, cursor, err := read(sealer, list, paging.Page{Limit: 2}, 1, 2)
	if err != nil || !slices.Equal(whole, []int{1, 2}) || cursor != "" {
		t.Errorf("a list as long as the page: got %v, cursor %q, %v", whole, cursor, err)
	}
}

func TestACursorOpensForItsListOnly(t *testing.T) {
	sealer := newSealer(t)
	_, cursor, err := read(sealer, list, paging.Page{Limit: 1}, 1, 3)
	if err != nil {
		t.Fatal(err)
	}
	for what, l := range map[string]paging.List{
		"another list":      {Name: "letters", Workspace: list.Workspace, Query: list.Query},
		"another workspace": {Name: list.Name, Workspace: "other", Query: list.Query},
		"other filters":     {Name: list.Name, Workspace: list.Workspace, Query: filter{Type: "even"}},
		"parts that run on": {Name: list.Name + list.Workspace, Query: list.Query},
	} {
		_, _, err := read(sealer, l, paging.Page{Limit: 1, Cursor: cursor}, 1, 3)
		wantRefused(t, what, err)
	}
	_, _, err = read(newSealer(t), list, paging.Page{Limit: 1, Cursor: cursor}, 1, 3)
	wantRefused(t, "another keyset", err)
	_, _, err = read(sealer, list, paging.Page{Limit: 1, Cursor: cursor[:len(cursor)-1]}, 1, 3)
	wantRefused(t, "a cursor that was cut", err)
}

func wantRefused(t *testing.T, what string, err error) {
	t.Helper()
	f := fault.As(err)
	if f == nil || f.Kind != fault.MalformedRequest || len(f.Fields) != 1 || f.Fields[0].Name != "cursor" {
		t.Errorf("%s: got %v, want a malformed request that names the cursor", what, err)
	}
}

// FuzzCursor checks that no cursor but a sealed one is taken.
func FuzzCursor(f *testing.F) {
	sealer := newSealer(f)
	_, cursor, err := read(sealer, list, paging.Page{Limit: 1}, 1, 3)
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{"a", "e30", `{"l":1}`, cursor + "=", cursor[1:], "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, made string) {
		if made == "" || made == cursor {
			return
		}
		_, _, err := read(sealer, list, paging.Page{Limit: 1, Cursor: made}, 1, 3)
		wantRefused(t, made, err)
	})
}
