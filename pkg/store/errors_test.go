package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"modelproviders/pkg/fault"
)

func TestPostgresErrors(t *testing.T) {
	answer := func(code string) error { return &pgconn.PgError{Code: code, Message: "m"} }
	for _, test := range []struct {
		err  error
		want class
	}{
		{nil, unknown},
		{errors.New("other"), unknown},
		{answer("23505"), duplicate},
		{&pgconn.PgError{Code: "23505", ConstraintName: "models_pkey"}, unknown},
		{answer("40001"), collision},
		{answer("40P01"), collision},
		{answer("55P03"), busy}, // lock_timeout
		{answer("57014"), busy}, // statement_timeout
		{answer("25P03"), busy},
		{answer("57P01"), away}, // shutdown
		{answer("57P03"), away}, // starting up
		{answer("53300"), away}, // too many connections
		{answer("53100"), full}, // disk full
		{answer("08006"), away},
		{answer("25006"), away}, // read-only: a standby
		{answer("42601"), unknown},
		{&pgconn.ConnectError{}, away},
		{&net.OpError{Op: "read", Err: syscall.ECONNRESET}, away},
		{io.ErrUnexpectedEOF, away},
		{driver.ErrBadConn, away},
		{sql.ErrConnDone, away},
	} {
		if got := classifyPostgres(test.err); got != test.want {
			t.Errorf("%v: got class %d, want %d", test.err, got, test.want)
		}
		if test.err != nil {
			if got := classifyPostgres(fmt.Errorf("wrapped: %w", test.err)); got != test.want {
				t.Errorf("wrapped %v: got class %d, want %d", test.err, got, test.want)
			}
		}
	}
}

func TestTranslate(t *testing.T) {
	s := &Store{engine: engine{classify: classifyPostgres}}
	const statement = "SELECT credentials FROM providers"
	down := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}

	err := s.translate(t.Context(), down)
	if f := fault.As(err); f == nil || f.Kind != fault.Unavailable || f.RetryAfter <= 0 || !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("connection refused: got %v", err)
	}
	err = s.translate(t.Context(), errors.New(statement))
	if f := fault.As(err); f == nil || f.Kind != fault.Internal || strings.Contains(f.Message, "SELECT") {
		t.Errorf("an unknown error: got %v", err)
	}
	domain := fault.New(fault.NameTaken, "taken")
	if err := s.translate(t.Context(), domain); fault.As(err) != domain {
		t.Errorf("a fault: got %v", err)
	}

	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.translate(gone, down); !errors.Is(err, context.Canceled) || !errors.Is(err, down) || fault.As(err) != nil {
		t.Errorf("the caller went away: got %v", err)
	}
	slow, cancel := context.WithTimeoutCause(t.Context(), 0, errTimeout)
	defer cancel()
	<-slow.Done()
	if err := s.translate(slow, slow.Err()); !fault.Is(err, fault.Unavailable) {
		t.Errorf("our own time is up: got %v", err)
	}
}
