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
	enabled []uint32 // ids, sorted
	exposed bool
}

func (k *keys) sealing() uint32 { return k.handle.KeysetInfo().GetPrimaryKeyId() }

func (k *Keyset) aead() tink.AEAD { return k.current.Load().aead }

// IDs returns the ids of the enabled keys, which can open. They are sorted.
func (k *Keyset) IDs() []uint32 { return slices.Clone(k.current.Load().enabled) }

// Has reports whether the keyset has a key, also a disabled one.
func (k *Keyset) Has(id uint32) bool {
	keys := k.current.Load().handle.KeysetInfo().GetKeyInfo()
	return slices.ContainsFunc(keys, func(key *tinkpb.KeysetInfo_KeyInfo) bool { return key.GetKeyId() == id })
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
	if !slices.Contains(k.enabled, id) {
		return nil, fmt.Errorf("the keyset has no enabled key %d", id)
	}
	manager := keyset.NewManagerFromHandle(k.handle)
	if err := manager.SetPrimary(id); err != nil {
		return nil, fmt.Errorf("could not use the key %d: %w", id, err)
	}
	handle, err := manager.Handle()
	if err != nil {
		return nil, fmt.Errorf("could not use the key %d: %w", id, err)
	}
	chosen, err := newKeys(handle)
	if err == nil {
		chosen.exposed = k.exposed
	}
	return chosen, err
}

// Exposed reports whether users other than its owner can access the file.
func (k *Keyset) Exposed() bool { return k.current.Load().exposed }

func newKeyset(handle *keyset.Handle) (*Keyset, error) {
	keys, err := newKeys(handle)
	if err != nil {
		return nil, err
	}
	out := &Keyset{}
	out.current.Store(keys)
	return out, nil
}

func newKeys(handle *keyset.Handle) (*keys, error) {
	info := handle.KeysetInfo()
	k := &keys{handle: handle}
	for _, key := range info.GetKeyInfo() {
		if key.GetStatus() == tinkpb.KeyStatusType_ENABLED {
			k.enabled = append(k.enabled, key.GetKeyId())
		}
		if key.GetKeyId() == info.GetPrimaryKeyId() && key.GetOutputPrefixType() != tinkpb.OutputPrefixType_TINK {
			return nil, errors.New("its primary key does not have the output prefix type TINK, so ciphertexts would not contain its id")
		}
	}
	slices.Sort(k.enabled)
	var err error
	if k.aead, err = aead.New(handle); err != nil {
		return nil, errors.New("it has no key for authenticated encryption (AEAD)")
	}
	return k, nil
}
