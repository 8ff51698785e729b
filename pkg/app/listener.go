package app

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	quietFor     = 50 * time.Millisecond // longer than opening a connection takes
	settleWithin = 2 * time.Second
)

// unread is the set of connections of a server on which no request has begun.
type unread struct{ sync.Map }

// track is the ConnState hook of the server.
func (u *unread) track(conn net.Conn, state http.ConnState) {
	if state == http.StateNew {
		u.Store(conn, true)
	} else {
		u.Delete(conn)
	}
}

func (u *unread) empty() bool {
	for range u.Range {
		return false
	}
	return true
}

// settle prepares a server to be shut down without cutting off a request that was
// sent already. [http.Server.Shutdown] resets connections that wait to be accepted, and
// closes those whose first request it has not read. Therefore new connections are
// ignored first, where the system can do that, and the server begins the requests of
// the others. A client that is ignored tries again after a second, and is then refused
// before it sends anything. Some clients open a connection and never send a request,
// so the wait is bounded.
func settle(ctx context.Context, listener net.Listener, unread *unread) {
	ctx, cancel := context.WithTimeout(ctx, settleWithin)
	defer cancel()
	ignoreConnections(listener)
	tick := time.NewTicker(quietFor / 10)
	defer tick.Stop()
	for busy := time.Now(); time.Since(busy) < quietFor; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if unaccepted(listener) > 0 || !unread.empty() {
			busy = time.Now()
		}
	}
}
