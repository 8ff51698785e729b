package secret

import (
	"errors"
	"sync/atomic"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
	tinkpb "github.com/tink-crypto/tink-go/v2/proto/tink_go_proto"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// Keyset holds the keys that seal and open. It is safe for concurrent use.
type Keyset struct{ current atomic.Pointer[keys] }

// keys are the keys of one keyset file.
type keys struct {
	aead    tink.AEAD
	ids     map[uint32]bool // of the enabled keys
	primary uint32
	exposed bool
}

// Replace makes a keyset use the keys of another one, such as a newer version of its
// file.
func (k *Keyset) Replace(by *Keyset) { k.current.Store(by.current.Load()) }

func (k *Keyset) aead() tink.AEAD { return k.current.Load().aead }

// Exposed reports whether users other than its owner can access the file.
func (k *Keyset) Exposed() bool { return k.current.Load().exposed }

// Keys returns the id of the key that seals, and the number of keys that open.
func (k *Keyset) Keys() (primary uint32, enabled int) {
	current := k.current.Load()
	for _, is := range current.ids {
		if is {
			enabled++
		}
	}
	return current.primary, enabled
}

func newKeyset(handle *keyset.Handle) (*Keyset, error) {
	info := handle.KeysetInfo()
	k := &keys{ids: map[uint32]bool{}, primary: info.GetPrimaryKeyId()}
	for _, key := range info.GetKeyInfo() {
		k.ids[key.GetKeyId()] = key.GetStatus() == tinkpb.KeyStatusType_ENABLED
		if key.GetKeyId() == info.GetPrimaryKeyId() && key.GetOutputPrefixType() != tinkpb.OutputPrefixType_TINK {
			return nil, errors.New("its primary key does not have the output prefix type TINK, so ciphertexts would not contain its id")
		}
	}
	var err error
	if k.aead, err = aead.New(handle); err != nil {
		return nil, errors.New("it has no key for authenticated encryption (AEAD)")
	}
	out := &Keyset{}
	out.current.Store(k)
	return out, nil
}
