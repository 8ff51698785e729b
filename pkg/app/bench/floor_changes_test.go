package bench_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// relay is the floor of BenchmarkChanges: it tells the streams of a workspace the versions
// that are posted. With a database, it does so through a notification.
type relay struct {
	pool    *pgxpool.Pool // nil: there is no database
	mu      sync.Mutex
	streams map[string][]chan string // by workspace
}

func serveRelay(databaseURL string) error {
	r := &relay{streams: map[string][]chan string{}}
	if databaseURL != "" {
		ctx := context.Background()
		var err error
		if r.pool, err = pgxpool.New(ctx, databaseURL); err != nil {
			return err
		}
		conn, err := pgx.Connect(ctx, databaseURL)
		if err != nil {
			return err
		}
		if _, err := conn.Exec(ctx, "LISTEN relay"); err != nil {
			return err
		}
		go func() {
			for {
				n, err := conn.WaitForNotification(ctx)
				if err != nil {
					return
				}
				workspace, version, _ := strings.Cut(n.Payload, " ")
				r.tell(workspace, version)
			}
		}()
	}
	return serveAsChild(r)
}

func (r *relay) tell(workspace, version string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, stream := range r.streams[workspace] {
		stream <- version
	}
}

// ServeHTTP streams what is posted.
func (r *relay) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	workspace, version := request.FormValue("workspace"), request.FormValue("version")
	switch {
	case request.Method == http.MethodPost && r.pool == nil:
		r.tell(workspace, version)
		return
	case request.Method == http.MethodPost:
		if _, err := r.pool.Exec(request.Context(), "SELECT pg_notify('relay', $1)", workspace+" "+version); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
		return
	}
	told := make(chan string, 1000)
	r.mu.Lock()
	r.streams[workspace] = append(r.streams[workspace], told)
	r.mu.Unlock()
	w.Header().Set("Content-Type", "text/event-stream")
	fmt.Fprint(w, ": open\n\n")
	_ = http.NewResponseController(w).Flush()
	for {
		select {
		case version := <-told:
			fmt.Fprintf(w, "event: change\ndata: {\"version\":%s}\n\n", version)
			_ = http.NewResponseController(w).Flush()
		case <-request.Context().Done():
			return
		}
	}
}
