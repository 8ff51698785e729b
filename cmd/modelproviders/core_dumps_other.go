//go:build !linux

package main

// forbidCoreDumps does nothing: only Linux has a switch.
func forbidCoreDumps() error { return nil }
