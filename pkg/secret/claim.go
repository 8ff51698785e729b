package secret

// claimed is the plaintext of a claim. It is not secret; that it opens is the proof.
const claimed = "this database belongs to this keyset"

// Claim returns a value that proves which keyset a database belongs to. It is not
// secret, and differs from call to call.
func (k *Keyset) Claim() ([]byte, error) {
	return k.aead().Encrypt([]byte(claimed), associated(labelClaim))
}

// Matches reports whether the claim was made by a key of this keyset.
func (k *Keyset) Matches(claim []byte) bool {
	plain, err := k.aead().Decrypt(claim, associated(labelClaim))
	return err == nil && string(plain) == claimed
}
