package main

// keysCommand manages the keys that encrypt what is stored. They are in the keyset file;
// the database says which one encrypts new values.
type keysCommand struct {
	Wrap   wrapKeysCommand   `cmd:"" help:"Encrypt the keyset with a key of a KMS."`
	Unwrap unwrapKeysCommand `cmd:"" help:"Decrypt a keyset that is encrypted with a key of a KMS."`
}

// outFlag is the flag of a command that changes the keyset.
type outFlag struct {
	Out string `type:"path" help:"Write the new keyset to this file, which must not exist, instead of replacing the keyset. Use it where the keyset is read-only or on several machines, and put the file in its place yourself."`
}
