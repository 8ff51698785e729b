//go:build !linux

package main

// forbidCoreDumps does nothing: this is implemented on Linux only.
func forbidCoreDumps() error { return nil }
