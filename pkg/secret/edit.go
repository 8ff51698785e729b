package secret

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
)

// File is a keyset file that [Edit] changes.
type File struct{ manager *keyset.Manager }

// Keys returns the keys in the order in which they were added.
func (f *File) Keys() []Key {
	handle, err := f.manager.Handle()
	if err != nil { // never: there is a primary key
		return nil
	}
	return keysOf(handle)
}

// ReadKeys returns the keys of a keyset file, also those that are disabled.
func ReadKeys(ctx context.Context, path string, kek KEK) ([]Key, error) {
	handle, _, err := read(ctx, path, kek)
	if err != nil {
		return nil, err
	}
	return keysOf(handle), nil
}

// find returns a key of the file.
func (f *File) find(id uint32) (Key, error) {
	for _, key := range f.Keys() {
		if key.ID == id {
			return key, nil
		}
	}
	return Key{}, fmt.Errorf("the keyset has no key %d", id)
}

// Add adds a new XAES-256-GCM key, which is enabled and not primary. It returns its id.
func (f *File) Add() (uint32, error) {
	return f.manager.Add(aead.XAES256GCM192BitNonceKeyTemplate())
}

// Enable enables a key.
func (f *File) Enable(id uint32) error {
	if _, err := f.find(id); err != nil {
		return err
	}
	return f.manager.Enable(id)
}

// Disable disables a key and keeps its material. If it is the primary key, the newest
// other key that is enabled becomes primary; if there is none, that is an error.
func (f *File) Disable(id uint32) error {
	key, err := f.find(id)
	if err != nil {
		return err
	}
	for _, other := range f.Keys() {
		if key.Primary && other.Enabled && other.ID != id {
			_ = f.manager.SetPrimary(other.ID) // can't fail: it is enabled
		}
	}
	if f.manager.Disable(id) != nil { // it is still the primary key
		return fmt.Errorf("the key %d is the only enabled key of the keyset", id)
	}
	return nil
}

// Destroy removes a key, which must be disabled. What it sealed is lost.
func (f *File) Destroy(id uint32) error {
	key, err := f.find(id)
	if err != nil {
		return err
	}
	if key.Enabled {
		return fmt.Errorf("the key %d is enabled; only a disabled key can be destroyed", id)
	}
	return f.manager.Delete(id)
}

// Edit changes a keyset file, which keeps its owner and mode, or with out creates
// another file, of mode 0600, which must not exist. The new file appears complete or
// not at all. Processes that edit the same file wait for each other, until ctx ends.
func Edit(ctx context.Context, path string, kek KEK, out string, change func(*File) error) error {
	return edit(ctx, path, kek, kek, out, change)
}

// Rewrap is [Edit] without a change of the keys: a file that is encrypted with one KEK
// is encrypted with another. Each may be nil.
func Rewrap(ctx context.Context, path string, from, to KEK, out string) error {
	return edit(ctx, path, from, to, out, func(*File) error { return nil })
}

func edit(ctx context.Context, path string, from, to KEK, out string, change func(*File) error) (err error) {
	if out == "" {
		unlock, err := lock(ctx, path)
		if err != nil {
			return err
		}
		defer unlock()
	}
	handle, _, err := read(ctx, path, from)
	if err != nil {
		return err
	}
	f := &File{manager: keyset.NewManagerFromHandle(handle)}
	if err := change(f); err != nil {
		return err
	}
	if handle, err = f.manager.Handle(); err != nil {
		return err
	}
	if _, err := newKeys(handle, false); err != nil {
		return fmt.Errorf("the keyset %s was not changed, because the new one could not be used: %w", path, err)
	}
	content, err := encode(ctx, handle, to)
	if err != nil {
		return fmt.Errorf("the keyset %s was not changed: %w", path, err)
	}
	if out != "" {
		return createFile(out, content)
	}
	if err := writeFile(path, content, true); err != nil {
		return irreplaceable(path, err)
	}
	return nil
}

// ErrIrreplaceable is the error of [Edit] if the file can't be replaced, such as a
// read-only one.
var ErrIrreplaceable = errors.New("can't be replaced")

func irreplaceable(path string, err error) error {
	return fmt.Errorf("the keyset %s %w: %w; write the new one to another file with --out, and put it in the place of this one yourself", path, ErrIrreplaceable, err)
}

// retryLock is how often a lock is tried that another process has.
const retryLock = 20 * time.Millisecond

// lock waits until no other process edits a file, which must not be a symbolic link.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	for {
		held := flock.New(path, flock.SetFlag(os.O_RDONLY))
		if _, err := held.TryLockContext(ctx, retryLock); err != nil {
			return nil, fmt.Errorf("could not lock the keyset %s: %w", path, err)
		}
		locked, lockedErr := held.Stat()
		current, currentErr := os.Lstat(path)
		err := errors.Join(lockedErr, currentErr)
		if err == nil && os.SameFile(locked, current) {
			return func() { _ = held.Unlock() }, nil
		}
		_ = held.Unlock() // the file was replaced while we waited
		switch {
		case err != nil:
			return nil, fmt.Errorf("could not lock the keyset %s: %w", path, err)
		case current.Mode()&fs.ModeSymlink != 0:
			return nil, irreplaceable(path, errors.New("it is a symbolic link, as Kubernetes makes for secrets"))
		}
	}
}

// createFile creates a file that only its owner can read, unless there is one.
func createFile(path string, content []byte) error {
	err := writeFile(path, content, false)
	if errors.Is(err, fs.ErrExist) {
		err = fmt.Errorf("there is a file with this name already (%w); name another one", fs.ErrExist)
	}
	if err != nil {
		return fmt.Errorf("could not create the keyset %s: %w", path, err)
	}
	return nil
}

// writeFile creates a file that only its owner can read, unless there is one. With
// replace, it replaces a file, whose owner and mode it keeps. The file is complete even
// after a crash: it is written under another name, flushed to disk, and put in its place.
func writeFile(path string, content []byte, replace bool) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if removeErr := os.Remove(f.Name()); !errors.Is(removeErr, fs.ErrNotExist) { // it was renamed
			err = errors.Join(err, removeErr)
		}
	}()
	place := os.Link // fails if the name is taken; renaming would not
	if replace {
		place = os.Rename
		var like fs.FileInfo
		if like, err = os.Stat(path); err == nil {
			err = errors.Join(chownLike(f, like), f.Chmod(like.Mode().Perm()))
		}
	}
	if err == nil {
		_, err = f.Write(content)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := place(f.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

// syncDir flushes a directory, so that new names in it survive a crash.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
