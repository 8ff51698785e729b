//go:build unix

package secret

import (
	"io/fs"
	"os"
	"syscall"
)

// chownLike gives a file the owner and group of another. A service that runs as another
// user than the one who edits its keyset could not read it otherwise.
func chownLike(f *os.File, like fs.FileInfo) error {
	want, ok := like.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	return f.Chown(int(want.Uid), int(want.Gid))
}
