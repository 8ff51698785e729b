package registry

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"modelproviders/pkg/audit"
	"modelproviders/pkg/auth"
	"modelproviders/pkg/fault"
)

// SealingKey is a key of the keyset as the database knows it.
type SealingKey struct {
	ID         uint32
	AddedAt    time.Time
	PromotedAt time.Time // when it last began to seal; zero: never
	RetiredAt  time.Time // zero: not retired
	Sealing    bool      // it seals new values; exactly one key does
}

// Needed reports whether values of the database may be sealed with the key.
func (k SealingKey) Needed() bool { return !k.PromotedAt.IsZero() && k.RetiredAt.IsZero() }

// Process is a process that serves.
type Process struct {
	ID   string   // UUID
	Host string   // what operators call it
	Keys []uint32 // ids of the keys that it has loaded
}

// Name is what errors call the process.
func (p Process) Name() string {
	return p.Host + " (process " + p.ID + ")"
}

// KeyStore stores which keys the database needs. All methods return unavailable if the
// database cannot be reached.
type KeyStore interface {
	// InTx runs fn in one transaction; see [Store].
	InTx(ctx context.Context, fn func(ctx context.Context) error) error

	// SealingKeys returns all keys by the time when they were added.
	SealingKeys(ctx context.Context) ([]SealingKey, error)
	// SealingKey returns the id of the key that seals.
	SealingKey(ctx context.Context) (uint32, error)
	// FirstSealingKeys adds keys to a database without keys, as if each had been
	// promoted, and sealing last. If there are keys, it does nothing.
	FirstSealingKeys(ctx context.Context, sealing uint32, ids []uint32) error
	// AddSealingKey adds a key that never sealed, unless it is there.
	AddSealingKey(ctx context.Context, id uint32) error
	// LockSealingKey is SealingKey, and lets no other transaction seal, promote or
	// retire until this one ends.
	LockSealingKey(ctx context.Context) (uint32, error)
	// PromoteKey makes a key seal. The transaction must have locked the sealing key.
	PromoteKey(ctx context.Context, id uint32) error
	// RetireKey notes that nothing is sealed with a key anymore. The transaction must have
	// locked the sealing key, which can't be retired.
	RetireKey(ctx context.Context, id uint32) error
	// KeyHolders returns the processes that reported in the last 30 seconds, by the
	// clock of the database, with the keys that they have loaded.
	KeyHolders(ctx context.Context) ([]Process, error)

	// ProviderWorkspaces returns the workspaces that have providers, ordered.
	ProviderWorkspaces(ctx context.Context) ([]string, error)
	// SealedProviders returns up to limit providers of a workspace after an id, by id,
	// without models.
	SealedProviders(ctx context.Context, workspace, after string, limit int) ([]SealedProvider, error)
	// Claimed returns the value of a claim. It returns not_found.
	Claimed(ctx context.Context, name string) ([]byte, error)
	// Reseal writes values that were encrypted with a key, except those of rows that were
	// changed since they were read, and returns how many. It changes neither versions nor
	// updated_at. It returns conflict if another key is the sealing key.
	Reseal(ctx context.Context, key uint32, rows ...Resealed) (written int, err error)
}

// Keys are the sealing keys of a database, for its operator.
type Keys struct {
	store KeyStore
	audit audit.Recorder
}

// NewKeys returns the sealing keys of a database.
func NewKeys(store KeyStore, recorder audit.Recorder) *Keys {
	return &Keys{store: store, audit: recorder}
}

// Lacking returns the names of the processes that may serve and have not loaded a key.
func (k *Keys) Lacking(ctx context.Context, id uint32) (names []string, err error) {
	processes, err := k.store.KeyHolders(ctx)
	for _, p := range processes {
		if !slices.Contains(p.Keys, id) {
			names = append(names, p.Name())
		}
	}
	slices.Sort(names)
	return names, err
}

// loaded returns conflict unless each process has loaded a key.
func (k *Keys) loaded(ctx context.Context, id uint32) error {
	lacking, err := k.Lacking(ctx, id)
	if err != nil || len(lacking) == 0 {
		return err
	}
	return fault.New(fault.Conflict, "The key %d is not loaded by %s. Give these processes the keyset with the key: they load it within 10 seconds. "+
		"A process that has ended without notice is passed over after 30 seconds.", id, strings.Join(lacking, ", "))
}

// Promote makes a key seal from now on. mine are the ids of the enabled keys in the
// operator's own keyset. It returns conflict if the key is not one of them, is retired,
// or is not loaded by each process.
func (k *Keys) Promote(ctx context.Context, id uint32, mine []uint32) error {
	if !slices.Contains(mine, id) {
		return fault.New(fault.Conflict, "The keyset has no enabled key %d. Add it to the keyset first.", id)
	}
	return k.store.InTx(ctx, func(ctx context.Context) error {
		present, err := k.store.LockSealingKey(ctx)
		if err != nil || present == id {
			return err
		}
		key, err := k.find(ctx, id)
		if err != nil {
			return err
		}
		if !key.RetiredAt.IsZero() {
			return fault.New(fault.Conflict, "The key %d is retired. Promote a key that is not.", id)
		}
		if err := k.loaded(ctx, id); err != nil {
			return err
		}
		if err := k.store.PromoteKey(ctx, id); err != nil {
			return err
		}
		event := keyEvent(audit.KeyPromote, id).Changed(audit.Fields{"sealing_key": present}, audit.Fields{"sealing_key": id})
		return k.audit.Record(ctx, event)
	})
}

// keyEvent returns a successful event of a key, by the operator.
func keyEvent(action audit.Action, id uint32) audit.Event {
	by := auth.Operator(auth.DefaultWorkspace)
	return audit.Event{Workspace: by.Workspace, Actor: by.Actor(), Action: action, Outcome: audit.Success,
		Target: audit.Target{Type: "key", ID: fmt.Sprint(id)}}
}

// Add notes that a key was added to the keyset.
func (k *Keys) Add(ctx context.Context, id uint32) error {
	return k.store.InTx(ctx, func(ctx context.Context) error {
		if err := k.store.AddSealingKey(ctx, id); err != nil {
			return err
		}
		return k.Record(ctx, audit.KeyAdd, id)
	})
}

// Record records what was done to a key in the keyset.
func (k *Keys) Record(ctx context.Context, action audit.Action, id uint32) error {
	return k.audit.Record(ctx, keyEvent(action, id))
}

// find returns a key; the zero value if the database does not know it.
func (k *Keys) find(ctx context.Context, id uint32) (SealingKey, error) {
	keys, err := k.store.SealingKeys(ctx)
	if i := slices.IndexFunc(keys, func(key SealingKey) bool { return key.ID == id }); i >= 0 {
		return keys[i], err
	}
	return SealingKey{}, err
}

// Unused returns conflict if the database needs a key.
func (k *Keys) Unused(ctx context.Context, id uint32) error {
	key, err := k.find(ctx, id)
	if err != nil {
		return err
	}
	if key.Needed() && !key.Sealing {
		return fault.New(fault.Conflict, "The database needs the key %d. Retire the key first.", id)
	}
	return k.nothingSealed(ctx, id, key)
}

// nothingSealed returns conflict if a key, as it was found, encrypts values, or a stored
// value is encrypted with it.
func (k *Keys) nothingSealed(ctx context.Context, id uint32, found SealingKey) error {
	if found.Sealing {
		return fault.New(fault.Conflict, "New values are encrypted with the key %d. Promote another key first.", id)
	}
	counts, err := CountSealed(ctx, k.store)
	if err != nil {
		return err
	}
	var sealed []string
	for _, kind := range SealedKinds() {
		if n := counts[id][kind.Name]; n > 0 {
			sealed = append(sealed, fmt.Sprintf("%s: %d", kind.Name, n))
		}
	}
	if len(sealed) > 0 {
		return fault.New(fault.Conflict, "Stored values are encrypted with the key %d (%s). Run `modelproviders keys reseal` first.", id, strings.Join(sealed, ", "))
	}
	return nil
}

// Retire notes that nothing is encrypted with a key anymore. It returns conflict if that
// is not so. It can be repeated.
//
// Nobody waits while it looks at all stored values. Afterwards it checks, with the lock
// that promoting takes, that the key has not sealed meanwhile.
func (k *Keys) Retire(ctx context.Context, id uint32) error {
	before, err := k.find(ctx, id)
	if err != nil {
		return err
	}
	if err := k.nothingSealed(ctx, id, before); err != nil {
		return err
	}
	return k.store.InTx(ctx, func(ctx context.Context) error {
		sealing, err := k.store.LockSealingKey(ctx)
		if err != nil {
			return err
		}
		after, err := k.find(ctx, id)
		if err != nil || !after.RetiredAt.IsZero() {
			return err
		}
		if after.Sealing || !after.PromotedAt.Equal(before.PromotedAt) {
			return fault.New(fault.Conflict, "The key %d was promoted just now. Promote another key first.", id)
		}
		if err := k.loaded(ctx, sealing); err != nil {
			return err
		}
		if after.ID == id { // the database does not know a key that was added with other tools
			if err := k.store.RetireKey(ctx, id); err != nil {
				return err
			}
		}
		return k.Record(ctx, audit.KeyRetire, id)
	})
}
