package bench_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver pgx
	_ "modernc.org/sqlite"             // the driver sqlite
)

// database is the floor's: written by hand, on the drivers of the product.
type database struct {
	reader, writer *sql.DB
	postgres       bool
	hasStage       string   // SQL: whether a model m serves the stage %s
	among          string   // SQL: one of the ids in $2
	prepared       sync.Map // statements by their text
}

// openDatabase opens a database with the settings of the product: as many
// connections as its default, on SQLite one to write with.
func openDatabase(dataDir, databaseURL string) (*database, error) {
	if databaseURL != "" {
		pool, err := openPool("pgx", databaseURL, 10)
		return &database{reader: pool, writer: pool, postgres: true, hasStage: "m.stages @> '{%s}'", among: "= ANY($2)"}, err
	}
	file := "file:" + (&url.URL{Path: filepath.Join(dataDir, "modelproviders.db")}).EscapedPath() +
		"?_busy_timeout=5000&_foreign_keys=on&_synchronous=FULL"
	writer, err := openPool("sqlite", file+"&_journal_mode=WAL&_txlock=immediate", 1)
	if err != nil {
		return nil, err
	}
	reader, err := openPool("sqlite", file+"&_query_only=on", 8)
	return &database{reader: reader, writer: writer, hasStage: `instr(m.stages, '"%s"') > 0`,
		among: "IN (SELECT value FROM json_each($2))"}, err
}

func openPool(driver, source string, connections int) (*sql.DB, error) {
	pool, err := sql.Open(driver, source)
	if err != nil {
		return nil, err
	}
	pool.SetMaxOpenConns(connections)
	pool.SetMaxIdleConns(connections)
	return pool, pool.Ping()
}

func (d *database) close() error { return errors.Join(d.reader.Close(), d.writer.Close()) }

const (
	providerColumns = `p.id, p.name, p.type, p.enabled, p.error_kind, p.error_message, p.error_model_id, p.error_since,
		p.credentials, p.config, p.version, p.connection, p.created_at, p.updated_at`
	modelColumns = `m.id, m.provider_id, m.model_id, m.display_name, m.stages, m.enabled, m.tested_at, m.test_kind,
		m.test_latency_ns, m.test_connection, m.reference_count, m.version, m.created_at, m.updated_at`
)

// provider reads a provider with its models. The ones that are measured have
// models.
func (d *database) provider(ctx context.Context, id string) (*providerAnswer, error) {
	found, err := query(ctx, d, func(rows *sql.Rows) (providerModel, error) {
		var p providerRow
		var m modelRow
		if err := rows.Scan(append(p.fields(), m.fields()...)...); err != nil {
			return providerModel{}, err
		}
		return providerModel{p, m.answer(p.connection)}, nil
	}, `SELECT `+providerColumns+`, `+modelColumns+` FROM providers p
		JOIN models m ON m.workspace = p.workspace AND m.provider_id = p.id
		WHERE p.workspace = $1 AND p.id = $2 ORDER BY m.name_key, m.id`, workspace, id)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, sql.ErrNoRows
	}
	p, err := found[0].provider.answer()
	for _, row := range found {
		p.Models = append(p.Models, row.model)
	}
	p.finish()
	return p, err
}

type providerModel struct {
	provider providerRow
	model    modelAnswer
}

// providers reads the first providers by name, without their models.
func (d *database) providers(ctx context.Context, limit int) ([]*providerAnswer, error) {
	return query(ctx, d, func(rows *sql.Rows) (*providerAnswer, error) {
		var p providerRow
		if err := rows.Scan(p.fields()...); err != nil {
			return nil, err
		}
		return p.answer()
	}, `SELECT `+providerColumns+` FROM providers p WHERE p.workspace = $1 ORDER BY p.name_key LIMIT `+strconv.Itoa(limit), workspace)
}

// addModels reads the models of a page of providers.
func (d *database) addModels(ctx context.Context, page []*providerAnswer) error {
	ids, byID := make([]string, len(page)), make(map[string]*providerAnswer, len(page))
	for i, p := range page {
		ids[i], byID[p.ID] = p.ID, p
	}
	_, err := query(ctx, d, func(rows *sql.Rows) (struct{}, error) {
		var m modelRow
		if err := rows.Scan(m.fields()...); err != nil {
			return struct{}{}, err
		}
		p := byID[m.ProviderID]
		p.Models = append(p.Models, m.answer(p.connection))
		return struct{}{}, nil
	}, `SELECT `+modelColumns+` FROM models m WHERE m.workspace = $1 AND m.provider_id `+d.among+` ORDER BY m.name_key, m.id`,
		workspace, d.list(ids))
	for _, p := range page {
		p.finish()
	}
	return err
}

// availableModels reads the first models by name that serve a stage.
func (d *database) availableModels(ctx context.Context, stage string, limit int) ([]modelAnswer, error) {
	return query(ctx, d, func(rows *sql.Rows) (modelAnswer, error) {
		var m modelRow
		var of ofProvider
		var problem *string
		var connection int64
		if err := rows.Scan(append(m.fields(), &of.Name, &of.Type, &of.Enabled, &problem, &connection)...); err != nil {
			return modelAnswer{}, err
		}
		of.Status = statusOf(of.Enabled, problem != nil)
		answer := m.answer(connection)
		answer.ofProvider = &of
		return answer, nil
	}, `SELECT `+modelColumns+`, p.name, p.type, p.enabled, p.error_kind, p.connection FROM models m
		JOIN providers p ON p.workspace = m.workspace AND p.id = m.provider_id
		WHERE m.workspace = $1 AND m.enabled AND p.enabled AND `+fmt.Sprintf(d.hasStage, stage)+`
		ORDER BY m.name_key, m.id LIMIT `+strconv.Itoa(limit), workspace)
}

// testable is what a test of a model needs.
type testable struct {
	id, modelID, provider string
	connection            int64
	credentials           map[string]sealedCredential
	config                map[string]string
}

func (d *database) testable(ctx context.Context, id string) (testable, error) {
	m := testable{id: id}
	var credentials, config []byte
	read, err := d.prepare(ctx, d.reader, `SELECT m.model_id, p.id, p.connection, p.credentials, p.config FROM models m
		JOIN providers p ON p.workspace = m.workspace AND p.id = m.provider_id WHERE m.workspace = $1 AND m.id = $2`)
	if err == nil {
		err = read.QueryRowContext(ctx, workspace, id).Scan(&m.modelID, &m.provider, &m.connection, &credentials, &config)
	}
	if err != nil {
		return m, err
	}
	return m, errors.Join(json.Unmarshal(credentials, &m.credentials), json.Unmarshal(config, &m.config))
}

// event is an audit event.
type event struct {
	action, targetType, target, name, provider, changes string
	at                                                  time.Time
}

// recordTest stores a success.
func (d *database) recordTest(ctx context.Context, m testable, latency time.Duration, e event) error {
	return d.write(ctx, statement{
		"UPDATE models SET tested_at = ?, test_kind = NULL, test_latency_ns = ?, test_connection = ? WHERE workspace = ? AND id = ?",
		[]any{d.time(e.at), latency.Nanoseconds(), m.connection, workspace, m.id},
	}, d.insertEvent(e))
}

func (d *database) create(ctx context.Context, p *providerAnswer, e event) error {
	credentials, err := json.Marshal(p.credentials)
	if err != nil {
		return err
	}
	config, err := json.Marshal(p.Config)
	if err != nil {
		return err
	}
	at := d.time(e.at)
	provider := insert("providers", "workspace, id, name, name_key, type, enabled, credentials, config, version, connection, created_at, updated_at",
		[]any{workspace, p.ID, p.Name, strings.ToLower(p.Name), p.Type, true, string(credentials), string(config), 1, 1, at, at})
	var rows [][]any
	for _, m := range p.Models {
		key := strings.ToLower(m.ModelID)
		rows = append(rows, []any{workspace, m.ID, p.ID, m.ModelID, key, m.DisplayName, key, d.list(m.Stages), true, 1, at, at})
	}
	models := insert("models", "workspace, id, provider_id, model_id, model_key, display_name, name_key, stages, enabled, version, created_at, updated_at", rows...)
	return d.write(ctx, provider, models, d.insertEvent(e))
}

// insertEvent writes an event with a seal and a note of the size of real ones.
func (d *database) insertEvent(e event) statement {
	return insert("audit_events", `workspace, id, at, actor_subject, actor_kind, actor_name, action, target_type, target_id, target_name,
		provider_id, outcome, changes, reason, request_id, client_ip, count, seal, link_mac`,
		[]any{workspace, newID(), d.time(e.at), newID(), "token", "", e.action, e.targetType, e.target, e.name,
			e.provider, "success", e.changes, "", newID(), "127.0.0.1", 1, make([]byte, 32), make([]byte, 32)})
}

// statement is one that writes; its parameters are question marks.
type statement struct {
	text string
	args []any
}

func insert(table, columns string, rows ...[]any) statement {
	row := "(" + strings.Repeat("?, ", len(rows[0])-1) + "?)"
	s := statement{text: "INSERT INTO " + table + " (" + columns + ") VALUES " + strings.Repeat(row+", ", len(rows)-1) + row}
	for _, values := range rows {
		s.args = append(s.args, values...)
	}
	return s
}

// write commits statements together: PostgreSQL gets them as one, SQLite in one
// transaction.
func (d *database) write(ctx context.Context, statements ...statement) error {
	if d.postgres {
		s := joined(statements)
		_, err := d.writer.ExecContext(ctx, s.text, s.args...)
		return err
	}
	prepared := make([]*sql.Stmt, len(statements)) // before the transaction has the one connection that writes
	for i, s := range statements {
		var err error
		if prepared[i], err = d.prepare(ctx, d.writer, s.text); err != nil {
			return err
		}
	}
	tx, err := d.writer.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	for i, s := range statements {
		if _, err := tx.StmtContext(ctx, prepared[i]).ExecContext(ctx, s.args...); err != nil {
			return errors.Join(err, tx.Rollback())
		}
	}
	return tx.Commit()
}

// prepare returns a statement that stays prepared.
func (d *database) prepare(ctx context.Context, db *sql.DB, text string) (*sql.Stmt, error) {
	if prepared, ok := d.prepared.Load(text); ok {
		return prepared.(*sql.Stmt), nil
	}
	prepared, err := db.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	d.prepared.Store(text, prepared)
	return prepared, nil
}

// joined makes one statement of several, with numbered parameters.
func joined(statements []statement) statement {
	var text strings.Builder
	var args []any
	number := 0
	for i, s := range statements {
		last := i == len(statements)-1
		if !last {
			fmt.Fprintf(&text, "%s w%d AS (", []string{"WITH", ","}[min(i, 1)], i)
		}
		for part := range strings.SplitAfterSeq(s.text, "?") {
			before, isParameter := strings.CutSuffix(part, "?")
			text.WriteString(before)
			if isParameter {
				number++
				fmt.Fprintf(&text, "$%d", number)
			}
		}
		if !last {
			text.WriteString(") ")
		}
		args = append(args, s.args...)
	}
	return statement{text.String(), args}
}

// time is a time as a parameter.
func (d *database) time(t time.Time) any {
	if d.postgres {
		return t
	}
	return t.UnixMilli()
}

// list is a list of texts as a parameter.
func (d *database) list(texts []string) any {
	if d.postgres {
		return texts
	}
	text, _ := json.Marshal(texts) // strings always can be
	return string(text)
}

// query reads every row of a statement.
func query[T any](ctx context.Context, d *database, scan func(*sql.Rows) (T, error), text string, args ...any) ([]T, error) {
	prepared, err := d.prepare(ctx, d.reader, text)
	if err != nil {
		return nil, err
	}
	rows, err := prepared.QueryContext(ctx, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}
