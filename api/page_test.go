package api_test

import (
	"path/filepath"
	"slices"
	"testing"

	"modelproviders/api"
	"modelproviders/pkg/fault"
	"modelproviders/pkg/secret"
)

type position struct {
	Last int `json:"l"`
}

type filter struct{ Type string }

var numbers = api.Listing{Name: "numbers", Workspace: "default", Query: filter{Type: "odd"}}

func newKeyset(t testing.TB) *secret.Keyset {
	t.Helper()
	keys, err := secret.Create(t.Context(), filepath.Join(t.TempDir(), "keyset.json"), nil)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// readNumbers reads a page of the given rows.
func readNumbers(keys *secret.Keyset, l api.Listing, limit int, cursor string, all ...int) ([]int, string, error) {
	rows, next, err := api.ReadPage(keys, l, limit, cursor, func(after *position, limit int) ([]int, error) {
		var rows []int
		for _, n := range all {
			if (after == nil || n > after.Last) && len(rows) < limit {
				rows = append(rows, n)
			}
		}
		return rows, nil
	}, func(n int) position { return position{Last: n} })
	if next == nil {
		return rows, "", err
	}
	return rows, *next, err
}

func TestPagesFollowEachOther(t *testing.T) {
	keys := newKeyset(t)
	first, cursor, err := readNumbers(keys, numbers, 2, "", 1, 3, 5, 7)
	if err != nil || !slices.Equal(first, []int{1, 3}) || cursor == "" {
		t.Fatalf("first page: got %v, cursor %q, %v", first, cursor, err)
	}
	// Rows were added and removed meanwhile; the last row of the page too.
	second, cursor, err := readNumbers(keys, numbers, 2, cursor, 1, 2, 4, 7)
	if err != nil || !slices.Equal(second, []int{4, 7}) || cursor != "" {
		t.Errorf("second page: got %v, cursor %q, %v", second, cursor, err)
	}
	whole, cursor, err := readNumbers(keys, numbers, 2, "", 1, 2)
	if err != nil || !slices.Equal(whole, []int{1, 2}) || cursor != "" {
		t.Errorf("a list as long as the page: got %v, cursor %q, %v", whole, cursor, err)
	}
}

func TestACursorOpensForItsListOnly(t *testing.T) {
	keys := newKeyset(t)
	_, cursor, err := readNumbers(keys, numbers, 1, "", 1, 3)
	if err != nil {
		t.Fatal(err)
	}
	for what, l := range map[string]api.Listing{
		"another list":      {Name: "letters", Workspace: numbers.Workspace, Query: numbers.Query},
		"another workspace": {Name: numbers.Name, Workspace: "other", Query: numbers.Query},
		"other filters":     {Name: numbers.Name, Workspace: numbers.Workspace, Query: filter{Type: "even"}},
		"parts that run on": {Name: numbers.Name + numbers.Workspace, Query: numbers.Query},
	} {
		_, _, err := readNumbers(keys, l, 1, cursor, 1, 3)
		wantRefused(t, what, err)
	}
	_, _, err = readNumbers(newKeyset(t), numbers, 1, cursor, 1, 3)
	wantRefused(t, "another keyset", err)
	_, _, err = readNumbers(keys, numbers, 1, cursor[:len(cursor)-1], 1, 3)
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
	keys := newKeyset(f)
	_, cursor, err := readNumbers(keys, numbers, 1, "", 1, 3)
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
		_, _, err := readNumbers(keys, numbers, 1, made, 1, 3)
		wantRefused(t, made, err)
	})
}
