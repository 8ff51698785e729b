package secret

// claimed is what a claim holds. It is no secret: that it opens is the proof.
const claimed = "this database belongs to this keyset"

// Claim returns a value that proves which keyset a database was begun with. It
// is no secret. It differs from call to call; each matches.
func (k *Keyset) Claim() ([]byte, error) {
	return k.aead.Encrypt([]byte(claimed), associated(labelClaim))
}

// Matches reports whether the claim was made by this keyset. After a rotation
// it still does, as long as the key that made the claim is in the keyset.
func (k *Keyset) Matches(claim []byte) bool {
	plain, err := k.aead.Decrypt(claim, associated(labelClaim))
	return err == nil && string(plain) == claimed
}
