package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"modelproviders/pkg/registry"
)

// scheduleRow are the columns of a new row of health_checks.
func scheduleRow(workspace, providerID *string, due *time.Time) columns {
	return columns{{"workspace", workspace, fixed}, {"provider_id", providerID, fixed}, {"due_at", (*moment)(due), fixed}}
}

// findUnscheduled reads an index that has only such providers.
const findUnscheduled = `SELECT t.workspace, CAST(t.id AS text) FROM providers t WHERE NOT t.check_scheduled ORDER BY t.workspace, t.id LIMIT $1`

// ScheduleChecks implements [registry.HealthCheckStore]. If there is nothing to schedule, it
// opens no transaction.
func (s *Store) ScheduleChecks(ctx context.Context, limit int, due func(providerID string) time.Time) (scheduled int, err error) {
	var workspace, id string
	if found, err := s.one(ctx, findUnscheduled, []any{1}, &workspace, &id); err != nil || !found {
		return 0, err
	}
	err = s.InOwnTx(ctx, func(ctx context.Context) error {
		rows, err := list(ctx, s, findUnscheduled+s.engine.skipLocked, []any{limit}, []any{&workspace, &id}, func() columns {
			ws, providerID, at := workspace, id, due(id)
			return scheduleRow(&ws, &providerID, &at)
		})
		scheduled = len(rows)
		if err != nil || scheduled == 0 {
			return err
		}
		names, records := rows[0].names(""), s.engine.records(rows...)
		added := s.engine.recordset("health_checks", "$1", rows[0])
		insert := `INSERT INTO health_checks (` + names + `) SELECT ` + names + ` FROM (` + added + `) AS e WHERE TRUE ON CONFLICT DO NOTHING`
		if _, err := s.exec(ctx, insert, records); err != nil {
			return err
		}
		_, err = s.exec(ctx, `UPDATE providers SET check_scheduled = TRUE FROM (`+added+`) AS e
			WHERE providers.workspace = e.workspace AND providers.id = e.provider_id`, records)
		return err
	})
	return scheduled, err
}

// NextCheck implements [registry.HealthCheckStore].
func (s *Store) NextCheck(ctx context.Context) (now time.Time, due *time.Time, err error) {
	var first *moment
	query := "SELECT " + s.engine.secondsAgo(0) + ", (SELECT min(due_at) FROM health_checks)"
	_, err = s.one(ctx, query, nil, (*moment)(&now), &first)
	return millis(now), (*time.Time)(first), err
}

// claimChecks takes a test from the budget of a day only of a provider of which a check may
// test a model. It looks at nothing but the rows that are due. The rows are locked first,
// so that its conditions see them as they are now.
func (d dialect) claimChecks() string {
	const used = `CASE WHEN health_checks.day = $5 THEN health_checks.tests ELSE 0 END`
	const testing = `(p.enabled AND health_checks.needs_test AND health_checks.connection = p.connection AND ` + used + ` < $6
		AND EXISTS (SELECT 1 FROM models m WHERE m.workspace = p.workspace AND m.provider_id = p.id AND m.enabled))`
	return `WITH e AS MATERIALIZED (SELECT t.workspace, t.provider_id FROM health_checks t WHERE t.due_at <= $1 ORDER BY t.due_at LIMIT $2` + d.skipLocked + `)
		UPDATE health_checks SET lease = $3, due_at = $4, testing = ` + testing + `,
		tests = ` + used + ` + CASE WHEN ` + testing + ` THEN 1 ELSE 0 END, day = $5
		FROM e JOIN providers p ON p.workspace = e.workspace AND p.id = e.provider_id
		WHERE health_checks.workspace = e.workspace AND health_checks.provider_id = e.provider_id
		RETURNING health_checks.workspace, CAST(health_checks.provider_id AS text), health_checks.testing,
		health_checks.connection, health_checks.needs_test, health_checks.failures, health_checks.failed_at`
}

// ClaimChecks implements [registry.HealthCheckStore].
func (s *Store) ClaimChecks(ctx context.Context, claim registry.CheckClaim) (claimed []registry.HealthCheck, err error) {
	var row registry.HealthCheck
	var failedAt *moment
	args := []any{moment(claim.Now), claim.Limit, claim.Lease, moment(claim.Until), moment(claim.Now.UTC().Truncate(24 * time.Hour)), claim.TestsPerDay}
	fields := []any{&row.Workspace, &row.ProviderID, &row.Testing, &row.Connection, &row.NeedsTest, &row.Failures, &failedAt}
	row.Lease = claim.Lease
	run := func(ctx context.Context) (err error) {
		claimed, err = list(ctx, s, s.engine.claimChecks(), args, fields, func() registry.HealthCheck {
			row.FailedAt = timeOf(failedAt)
			return row
		})
		return err
	}
	if s.engine.combines {
		err = s.repeat(ctx, run)
	} else {
		err = s.InTx(ctx, run)
	}
	return claimed, err
}

// finishCheck comes first in its statement, so that nothing else is written if the lease
// does not stand any more.
const finishCheck = `UPDATE health_checks SET lease = NULL, testing = FALSE, due_at = $4, connection = $5, needs_test = $6, failures = $7, failed_at = $8
	WHERE workspace = $1 AND provider_id = $2 AND lease = $3 RETURNING 1`

const recordCheck = `UPDATE providers SET check_connection = $3, checked_at = $4, check_kind = $5, check_by = $6
	WHERE workspace = $1 AND id = $2 AND connection = $3`

// withCheck adds the last check to an update of a provider, with parameters from a number
// on.
func withCheck(update string, number int) string {
	assigned := fmt.Sprintf(" SET check_connection = $%d, checked_at = $%d, check_kind = $%d, check_by = $%d, ", number, number+1, number+2, number+3)
	return strings.Replace(update, " SET ", assigned, 1)
}

func lastCheckArgs(c registry.Call) []any {
	kind := &c.Check.Kind
	if c.Check.Success {
		kind = nil
	}
	return []any{c.Connection, moment(c.Check.At), kind, string(c.Check.By)}
}

func recordedCheck(text string, c registry.Call) statement {
	return statement{text, append([]any{c.Workspace, c.ProviderID}, lastCheckArgs(c)...)}
}

// FinishCheck implements [registry.HealthCheckStore].
func (s *Store) FinishCheck(ctx context.Context, c registry.HealthCheck, due time.Time, last *registry.LastCheck) (stored bool, err error) {
	var failedAt *moment
	if c.Failures > 0 {
		at := moment(c.FailedAt)
		failedAt = &at
	}
	finish := statement{finishCheck, []any{c.Workspace, c.ProviderID, c.Lease, moment(due), c.Connection, c.NeedsTest, c.Failures, failedAt}}
	var record []statement
	if last != nil {
		call := registry.Call{Workspace: c.Workspace, ProviderID: c.ProviderID, Connection: c.Connection, Check: last}
		record = append(record, recordedCheck(recordCheck+" AND "+s.engine.ifFirst, call))
	}
	rows, err := s.firstThen(ctx, finish, record...)
	return rows > 0, err
}
