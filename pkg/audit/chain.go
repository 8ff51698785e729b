package audit

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"strconv"
	"time"
)

// chainKey makes and checks the HMACs (RFC 2104, with SHA-256) of a chain.
type chainKey []byte

// seal is the HMAC over the content of an event.
func (k chainKey) seal(e Event) ([]byte, error) {
	changes := []byte("[]") // none is none, whether nil or empty
	if len(e.Changes) > 0 {
		var err error
		if changes, err = json.Marshal(e.Changes); err != nil {
			return nil, err
		}
	}
	return k.mac("event", e.ID, e.At.UTC().Format(time.RFC3339Nano), e.Workspace, e.Actor.Subject, e.Actor.Kind,
		string(e.Action), e.Target.Type, e.Target.ID, e.Target.Name, string(e.Outcome), string(changes), e.Reason,
		e.RequestID, e.ClientIP, strconv.Itoa(e.Count), e.ProviderID), nil
}

func (k chainKey) sealed(e Event) bool {
	want, err := k.seal(e)
	return err == nil && hmac.Equal(want, e.Seal)
}

// fresh is the HMAC that says that an event is new.
func (k chainKey) fresh(e Event) []byte { return k.mac("note", e.Workspace, e.ID, string(e.Seal)) }

// isFresh reports whether an event and that it is new are authentic.
func (k chainKey) isFresh(e Event) bool { return k.sealed(e) && hmac.Equal(k.fresh(e), e.LinkMAC) }

func (k chainKey) link(workspace string, number int64, before, seal []byte) []byte {
	return k.mac("link", workspace, strconv.FormatInt(number, 10), string(before), string(seal))
}

func (k chainKey) head(workspace string, h Head) []byte {
	return k.mac("head", workspace, strconv.FormatInt(h.First, 10), string(h.Base), strconv.FormatInt(h.Count, 10), string(h.Last))
}

// headed reports whether a head is authentic. A chain without links has the
// zero head, which says nothing.
func (k chainKey) headed(workspace string, h Head) bool {
	return h.zero() || hmac.Equal(k.head(workspace, h), h.MAC)
}

// mac is the HMAC over parts, each with its length before it.
func (k chainKey) mac(parts ...string) []byte {
	h := hmac.New(sha256.New, k)
	for _, part := range parts {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		h.Write([]byte(part))
	}
	return h.Sum(nil)
}

// extend links events to the chain of a head.
func (k chainKey) extend(workspace string, head Head, events []Event) ([]Link, Head) {
	if head.zero() {
		head.First = 1
	}
	links := make([]Link, 0, len(events))
	for _, e := range events {
		head.Count++
		head.Last = k.link(workspace, head.Count, head.Last, e.Seal)
		links = append(links, Link{Number: head.Count, EventID: e.ID, MAC: head.Last})
	}
	head.MAC = k.head(workspace, head)
	return links, head
}
