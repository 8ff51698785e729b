package registry

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"modelproviders/pkg/secret"
)

// checkedAtOnce bounds the providers in memory while credentials are checked.
const checkedAtOnce = 100

// CheckCredentials decrypts every credential of a workspace, and returns how many there
// are. It passes the reason why one can't be decrypted to broken, without its value.
func CheckCredentials(ctx context.Context, store Reader, keys *secret.Keyset, workspace string, broken func(error)) (count int, err error) {
	r := Registry{keyset: keys}
	for query := (ProviderQuery{Summary: true, Sort: SortCreated, Limit: checkedAtOnce}); ; {
		providers, err := store.Providers(ctx, workspace, query)
		if err != nil {
			return count, fmt.Errorf("could not read the providers of workspace %q: %w", workspace, err)
		}
		for _, p := range providers {
			for _, field := range slices.Sorted(maps.Keys(p.Credentials)) {
				count++
				plain, err := r.open(p, field)
				if err != nil {
					broken(err)
				}
				plain.Wipe()
			}
		}
		if len(providers) < query.Limit {
			return count, nil
		}
		last := providers[len(providers)-1]
		position := query.Sort.Position(last.NameKey, last.CreatedAt, last.ID)
		query.After = &position
	}
}
