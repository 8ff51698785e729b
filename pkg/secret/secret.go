// Package secret keeps the secrets of this service: it seals credentials for
// the database, opens them again, and carries them in a type that prints dots.
//
// # What is defended
//
// Every credential value is encrypted and authenticated by itself (AEAD, with
// Tink) under a key of a [Keyset], a file that is kept apart from the database.
//
//   - Who has the database, or a backup of it, reads no credential. He sees how
//     long each value is, which key sealed it, and that it changed.
//   - Who can write to the database can't make this service use a credential
//     where it doesn't belong. A value opens only with the [Binding] it was
//     sealed with: workspace, provider, field and the base URL it may be sent
//     to. Moved to another row, field or workspace, or left where it is while
//     the base URL beside it is changed, it doesn't open. He can still remove a
//     value, or put back an older one of the same binding.
//   - What clients carry for us ([Keyset.SealToken]) they can neither read nor
//     make up, nor use for something else than it was made for.
//
// What is not: whoever has both keyset and database reads everything, and so
// does whoever reads the memory of the running process. In production the
// keyset lives elsewhere than the data. If the keyset is lost, so are the
// credentials: there is no way round it, and no key is ever made to replace one
// that is missing. Keep a backup, apart from the database's.
//
// # Keys
//
// A keyset may hold several keys. Its primary key seals; all of them open. So
// a key is rotated by adding one and making it primary (with Tink's tools); the
// old one can go when [KeyID] names it on no stored value any more. [Create]
// makes XAES-256-GCM keys, whose nonces are long enough that a key never wears
// out, however many page tokens it seals; a keyset with other AEAD keys works
// too.
//
// A database belongs to the keyset it was begun with. [Keyset.Claim] makes a
// value to store in it, [Keyset.Matches] tells whether a keyset is that one.
//
// # What is stored
//
// A sealed value is a ciphertext of Tink, n+45 bytes for n bytes of plaintext:
//
//	offset  length  content
//	     0       1  0x01: Tink's prefix, version 1
//	     1       4  id of the key, big endian
//	     5      12  random: salt, for the key of this one message
//	    17      12  random: nonce
//	    29       n  the plaintext, encrypted
//	  29+n      16  tag: authenticates the ciphertext and the associated data
//
// Bytes 5 and up are those of an XAES-256-GCM key; another kind of key has its
// own layout there. The associated data is not stored. It is made from what is
// known where the value is used: a label for the use, with a version, and what
// the value is bound to, each with its length before it (four bytes, big
// endian), so that no two lists of parts give the same bytes:
//
//	credential  "modelproviders credential v1", workspace, provider, field, base URL
//	claim       "modelproviders claim v1"
//	token       "modelproviders token v1", context
//
// A token is the same in base64url without padding (RFC 4648, section 5).
package secret

import "encoding/binary"

// The labels of the uses; see the package comment.
const (
	labelCredential = "modelproviders credential v1"
	labelClaim      = "modelproviders claim v1"
	labelToken      = "modelproviders token v1"
)

// associated returns the associated data of a use and what it is bound to.
func associated(label string, parts ...string) []byte {
	data := appendPart(nil, label)
	for _, part := range parts {
		data = appendPart(data, part)
	}
	return data
}

func appendPart(data []byte, part string) []byte {
	data = binary.BigEndian.AppendUint32(data, uint32(len(part)))
	return append(data, part...)
}
