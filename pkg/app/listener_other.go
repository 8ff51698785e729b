//go:build !linux

package app

import "net"

// ignoreConnections does nothing on this system.
func ignoreConnections(net.Listener) {}

// unaccepted is unknown on this system.
func unaccepted(net.Listener) uint32 { return 0 }
