package app

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// ignoreConnections makes the kernel drop packets that open a connection: those with
// the flag SYN but not ACK (RFC 9293, section 3.1). The program is a classic BPF
// filter, which sees the packet from its TCP header on.
func ignoreConnections(listener net.Listener) {
	const flags, syn, ack = 13, 0x02, 0x10
	program := [...]unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: flags},
		{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: syn | ack},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: syn, Jt: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: 1<<32 - 1}, // keep the whole packet
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
	}
	control(listener, func(fd int) {
		// If it fails, connections are reset as on other systems.
		_ = unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]})
	})
}

// unaccepted returns how many connections wait to be accepted.
func unaccepted(listener net.Listener) (n uint32) {
	control(listener, func(fd int) {
		// Of a listening socket, this field is the length of its queue.
		if info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			n = info.Unacked
		}
	})
	return n
}

func control(listener net.Listener, fn func(fd int)) {
	conn, ok := listener.(syscall.Conn)
	if !ok {
		return
	}
	if raw, err := conn.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { fn(int(fd)) }) // fails if it is closed
	}
}
