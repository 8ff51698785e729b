package secret

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
	tinkpb "github.com/tink-crypto/tink-go/v2/proto/tink_go_proto"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// Keyset holds the keys that seal and open. It is safe for concurrent use.
type Keyset struct{ current atomic.Pointer[keys] }

// keys are the keys of one keyset file. They are never changed.
type keys struct {
	handle  *keyset.Handle // its primary key seals
	aead    tink.AEAD
	exposed bool
}

func (k *keys) sealing() uint32 { return k.handle.KeysetInfo().GetPrimaryKeyId() }

func (k *Keyset) aead() tink.AEAD { return k.current.Load().aead }

// Key is a key of a keyset.
type Key struct {
	ID      uint32
	Enabled bool
	Primary bool
}

// keysOf returns the keys in the order in which they were added.
func keysOf(handle *keyset.Handle) []Key {
	info := handle.KeysetInfo()
	var keys []Key
	for _, key := range info.GetKeyInfo() {
		id := key.GetKeyId()
		keys = append(keys, Key{ID: id, Enabled: key.GetStatus() == tinkpb.KeyStatusType_ENABLED, Primary: id == info.GetPrimaryKeyId()})
	}
	return keys
}

// IDs returns the ids of the enabled keys, which can open. They are sorted.
func (k *Keyset) IDs() []uint32 {
	var ids []uint32
	for _, key := range keysOf(k.current.Load().handle) {
		if key.Enabled {
			ids = append(ids, key.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

// Has reports whether the keyset has a key, also a disabled one.
func (k *Keyset) Has(id uint32) bool {
	return slices.ContainsFunc(keysOf(k.current.Load().handle), func(key Key) bool { return key.ID == id })
}

// SealingKey returns the id of the key that seals: the primary key of the file until
// [Keyset.SealUnder] chooses another.
func (k *Keyset) SealingKey() uint32 { return k.current.Load().sealing() }

// SealUnder chooses the key that seals. It must be enabled.
func (k *Keyset) SealUnder(id uint32) error {
	for {
		present := k.current.Load()
		chosen, err := present.sealUnder(id)
		if err != nil || k.current.CompareAndSwap(present, chosen) {
			return err
		}
	}
}

// Replace makes a keyset use the keys of another one, such as a newer version of its
// file. The same key goes on sealing, if the other keyset has it.
func (k *Keyset) Replace(by *Keyset) {
	for {
		present, keys := k.current.Load(), by.current.Load()
		if same, err := keys.sealUnder(present.sealing()); err == nil {
			keys = same
		}
		if k.current.CompareAndSwap(present, keys) {
			return
		}
	}
}

// sealUnder returns the same keys, of which another one seals.
func (k *keys) sealUnder(id uint32) (*keys, error) {
	if id == k.sealing() {
		return k, nil
	}
	manager := keyset.NewManagerFromHandle(k.handle)
	if manager.SetPrimary(id) != nil {
		return nil, fmt.Errorf("the keyset has no enabled key %d", id)
	}
	handle, err := manager.Handle()
	if err != nil {
		return nil, fmt.Errorf("could not use the key %d: %w", id, err)
	}
	return newKeys(handle, k.exposed)
}

// Exposed reports whether users other than its owner can access the file.
func (k *Keyset) Exposed() bool { return k.current.Load().exposed }

func newKeyset(handle *keyset.Handle, exposed bool) (*Keyset, error) {
	keys, err := newKeys(handle, exposed)
	if err != nil {
		return nil, err
	}
	out := &Keyset{}
	out.current.Store(keys)
	return out, nil
}

func newKeys(handle *keyset.Handle, exposed bool) (*keys, error) {
	info := handle.KeysetInfo()
	for _, key := range info.GetKeyInfo() {
		if key.GetKeyId() == info.GetPrimaryKeyId() && key.GetOutputPrefixType() != tinkpb.OutputPrefixType_TINK {
			return nil, errors.New("its primary key does not have the output prefix type TINK, so ciphertexts would not contain its id")
		}
	}
	primitive, err := aead.New(handle)
	if err != nil {
		return nil, errors.New("it has no key for authenticated encryption (AEAD)")
	}
	return &keys{handle: handle, aead: primitive, exposed: exposed}, nil
}
