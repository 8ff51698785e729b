package storetest

import (
	"errors"
	"io"
	"net"
	"path/filepath"
	"sync"
	"testing"
)

// Address is a TCP address of a cluster that can be moved to another cluster, as a
// load balancer does after a failover.
type Address struct {
	listener net.Listener

	mu     sync.Mutex
	socket string // of the cluster
	open   map[net.Conn]struct{}
}

// StartAddress returns an address of a cluster. It is closed when the test ends.
func StartAddress(t testing.TB, c *Cluster) *Address {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := &Address{listener: listener, open: map[net.Conn]struct{}{}}
	a.MoveTo(c)
	go a.serve()
	t.Cleanup(func() {
		if err := listener.Close(); err != nil {
			t.Error(err)
		}
		a.cut()
	})
	return a
}

// URL is the URL of the database postgres at the address.
func (a *Address) URL() string {
	return "postgres://postgres@" + a.listener.Addr().String() + "/postgres?sslmode=disable"
}

// MoveTo moves the address to a cluster, and closes the connections to the previous one.
func (a *Address) MoveTo(c *Cluster) {
	a.mu.Lock()
	a.socket = filepath.Join(c.dir, ".s.PGSQL.5432")
	a.mu.Unlock()
	a.cut()
}

func (a *Address) cut() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for conn := range a.open {
		_ = conn.Close()
	}
}

func (a *Address) serve() {
	for {
		client, err := a.listener.Accept()
		if err != nil {
			return
		}
		go a.forward(client)
	}
}

// forward connects a client to the cluster until one of them closes the connection.
func (a *Address) forward(client net.Conn) {
	defer client.Close()
	a.mu.Lock()
	server, err := net.Dial("unix", a.socket)
	if err != nil {
		a.mu.Unlock()
		return
	}
	defer server.Close()
	a.open[client], a.open[server] = struct{}{}, struct{}{}
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.open, client)
		delete(a.open, server)
	}()
	go func() {
		_, err := io.Copy(server, client)
		_ = errors.Join(err, server.Close())
	}()
	_, _ = io.Copy(client, server)
}
