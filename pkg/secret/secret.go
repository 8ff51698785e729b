// Package secret seals credentials for the database, opens them again, and carries
// them in a type that never prints them.
//
// # Threats
//
// Every credential is encrypted and authenticated by itself (AEAD, with Tink) under
// a key of a [Keyset], a file that is kept apart from the database.
//
//   - Whoever has the database or a backup of it can read no credential, but can see
//     its length, which key sealed it, and that it changed.
//   - Whoever can write to the database can't redirect a credential: it opens only
//     with the [Binding] with which it was sealed, that is the same workspace,
//     provider, field and base URL. They can remove a value, or restore an older one
//     of the same binding.
//   - Clients can neither read nor forge what they carry for us
//     ([Keyset.SealToken]), nor use it for another purpose.
//
// Whoever has both keyset and database can read everything, and so can whoever reads
// the memory of the process. Without the keyset the credentials are lost; no key is
// ever created to replace a missing one. Back it up, apart from the database.
//
// # Keys
//
// A keyset may have several keys: one of them seals, and all open. In a new database
// the primary key of the file seals; after that, the database says which one does
// ([Keyset.SealUnder]), so that all processes change to another key together. [Create]
// makes XAES-256-GCM keys, whose nonces are long enough for any number of values; other
// AEAD keys work too.
//
// A database belongs to the keyset with which it was created: [Keyset.Claim] returns
// a value to store in it, and [Keyset.Matches] checks it.
//
// # Format
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
// From byte 5 on this is the format of an XAES-256-GCM key; other kinds of keys have
// their own. The associated data is not stored, but made from a label and the values
// below, each after its length (four bytes, big endian):
//
//	credential  "modelproviders credential v1", workspace, provider, field, base URL
//	claim       "modelproviders claim v1"
//	token       "modelproviders token v1", context
//
// A token has the same format, in base64url without padding (RFC 4648, section 5).
//
// # The keyset file
//
// The file is a keyset of Tink in JSON. Its keys are in clear text,
//
//	{"primaryKeyId": 1, "key": [{"keyId": 1, "keyData": {"value": "…", …}, …}, …]}
//
// or encrypted ("wrapped") with a key of a key management service, a [KEK]:
//
//	{"encryptedKeyset": "…", "keysetInfo": {"primaryKeyId": 1, "keyInfo": [{"keyId": 1, …}, …]}}
//
// encryptedKeyset is what the service answered, in base64: a ciphertext of the keyset in
// Tink's binary format (protobuf). Its associated data is empty, as in Tink's own tools,
// which can therefore read and write these files too. keysetInfo is for people: it is not
// authenticated, and not read.
package secret

import "encoding/binary"

// Labels of the associated data; see the package comment.
const (
	labelCredential = "modelproviders credential v1"
	labelClaim      = "modelproviders claim v1"
	labelToken      = "modelproviders token v1"
)

// associated returns the associated data of a label and values.
func associated(parts ...string) []byte {
	var data []byte
	for _, part := range parts {
		data = binary.BigEndian.AppendUint32(data, uint32(len(part)))
		data = append(data, part...)
	}
	return data
}
