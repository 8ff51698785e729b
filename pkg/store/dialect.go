package store

import "time"

// dialect is the SQL that differs between the databases.
type dialect struct {
	combines bool   // several statements can be sent as one; see [Store.together]
	tryLock  string // takes the lock $1 until the transaction ends, or returns false; empty if transactions run one at a time
	// lastChange is the number of the last change of the workspace $1; empty if changes are
	// numbered after their transactions have committed.
	lastChange string

	// ifFirst is the condition of a statement that is sent together with others: the first
	// of them, which has RETURNING or locks rows, has changed or locked a row.
	ifFirst string
	// lockedProvider is a [storedProvider] that the first of several statements has locked,
	// if they are sent together.
	lockedProvider string
	// lockSealingKeys waits for the transactions that have locked rows of sealing_keys,
	// and lets no other do so. Without it, transactions that share a row could keep one
	// that wants to change it waiting forever. It is empty if transactions run one at a time.
	lockSealingKeys string

	forUpdate  string // locks the rows that a query reads
	forShare   string // locks them only for those that use forUpdate or change them
	skipLocked string // locks the rows of t, and skips those that another transaction has locked

	// recordset selects the rows of a table that the parameter has as
	// [dialect.records].
	recordset func(table, parameter string, row columns) string
	jsonTime  func(time.Time) any
	inIDs     func(args *arguments, ids []string) string // the condition that an id is in a list

	list       func(args *arguments, values []string) string // a table v with a column value
	contains   string                                        // the function in contains(text, part) > 0
	hasStage   string                                        // the condition that a model serves the stage %s
	hasPassed  string                                        // the condition that the last check of the stage %s passed
	secondsAgo func(seconds int) string                      // by the clock of the database
	inSeconds  func(parameter string) string                 // a parameter of seconds from now, by that clock
	indexedBy  func(index string) string
	nested     string // makes a join read the tables in their order in the statement
	// rareProviders, unless empty, goes before <conditions> on the providers of
	// models.
	rareProviders string

	// violates reports whether an error is that of a unique index, by its name or
	// its columns.
	violates func(err error, constraint, columns string) bool
}
