package store

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"log/slog"
	"time"

	"gorm.io/gorm"
)

// ErrTimeout is the cause of a context that ended at the bound of a call.
var ErrTimeout = errTimeout

// Reader returns the pool that reads.
func (s *Store) Reader() *sql.DB {
	return cmp.Or(s.engine.pools["postgres"], s.engine.pools["sqlite_reader"])
}

// Writer returns the pool that writes.
func (s *Store) Writer() *sql.DB { return s.engine.writer }

// Recorded is a statement that ran.
type Recorded struct {
	SQL  string
	Args []any
}

// Record collects the statements that run outside transactions from now on.
func (s *Store) Record() *[]Recorded {
	noted := &[]Recorded{}
	s.engine.reader = recorder{s.engine.reader, noted}
	return noted
}

type recorder struct {
	gorm.ConnPool
	noted *[]Recorded
}

func (r recorder) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	*r.noted = append(*r.noted, Recorded{query, args})
	return r.ConnPool.QueryContext(ctx, query, args...)
}

// Unconnected is a store without a database, in which each write succeeds, and a
// context of a transaction.
func Unconnected(ctx context.Context, sqlite bool) (*Store, context.Context) {
	d := postgresDialect()
	if sqlite {
		d = sqliteDialect()
	}
	s := &Store{log: slog.New(slog.DiscardHandler), engine: engine{dialect: d, classify: classifyPostgres}}
	return s, context.WithValue(ctx, transactionKey{s}, &transaction{conn: unconnected{}, locked: map[lockedProvider]bool{}})
}

type unconnected struct{ gorm.ConnPool }

func (unconnected) ExecContext(context.Context, string, ...any) (sql.Result, error) {
	return driver.RowsAffected(1), nil
}

// Exec runs a statement in the transaction of the context.
func (s *Store) Exec(ctx context.Context, statement string, values ...any) error {
	_, err := s.exec(ctx, statement, values...)
	return err
}

// Waiting is how many transactions wait for their turn on SQLite.
func (s *Store) Waiting() int {
	s.engine.batches.mu.Lock()
	defer s.engine.batches.mu.Unlock()
	return len(s.engine.batches.waiting)
}

// SetBatchTime sets how long a batch admits members. It must not be called during
// transactions.
func (s *Store) SetBatchTime(d time.Duration) { s.engine.batches.lasts = d }

// InPlainTx is InTx with a commit for each transaction.
func (s *Store) InPlainTx(ctx context.Context, fn func(ctx context.Context) error) error {
	tx, err := s.engine.writer.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	if err := s.runIn(ctx, tx, fn); err != nil {
		return err
	}
	return tx.Commit()
}

// OnStatement calls ran with each statement on SQLite.
func (c Config) OnStatement(ran func(statement string)) Config {
	c.ran = ran
	return c
}
