package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// forbidCoreDumps disables core dumps, which contain credentials, and prevents other
// processes of the same user from reading the memory of this one.
func forbidCoreDumps() error {
	err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
	if err == nil {
		err = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	}
	if err != nil {
		return fmt.Errorf("could not disable core dumps: %w", err)
	}
	return nil
}
