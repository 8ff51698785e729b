package store

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"modelproviders/pkg/audit/chain"
	"modelproviders/pkg/fault"
	"modelproviders/pkg/registry"
)

// keyOf names a request within its workspace.
func keyOf(key registry.IdempotencyKey) []byte {
	return digest(key.Principal, key.Method, key.Path, key.Key)
}

// digest returns a SHA-256 of texts. It has a fixed size, and the texts may contain
// characters that PostgreSQL can't store.
func digest(texts ...string) []byte {
	sum := sha256.Sum256(chain.Join(texts...))
	return sum[:]
}

// claimKey takes a key that is not taken, or that has expired at $6. While the
// request runs, status, header and body are NULL.
const claimKey = `INSERT INTO idempotency_keys (workspace, key, body_mac, owner, expires_at) VALUES ($1, $2, $3, $4, $5)
	ON CONFLICT (workspace, key) DO UPDATE SET body_mac = excluded.body_mac, owner = excluded.owner, expires_at = excluded.expires_at,
	status = NULL, header = NULL, body = NULL WHERE idempotency_keys.expires_at <= $6`

// BeginIdempotentRequest implements [registry.IdempotencyStore]. One statement looks
// and takes, so that only one of several concurrent requests takes the key, and the
// others see its row.
func (s *Store) BeginIdempotentRequest(ctx context.Context, r registry.IdempotentRequest, now time.Time) (registry.IdempotentRequest, error) {
	for {
		claimed, err := s.together(ctx, statement{claimKey, []any{r.Workspace, keyOf(r.IdempotencyKey), r.BodyMAC, r.Owner, moment(r.Expires), moment(now)}})
		if err != nil || claimed > 0 {
			return r, err
		}
		held, found, err := s.idempotentRequest(ctx, r.IdempotencyKey)
		if err != nil || found { // otherwise it was abandoned in the meantime
			return held, err
		}
	}
}

func (s *Store) idempotentRequest(ctx context.Context, key registry.IdempotencyKey) (r registry.IdempotentRequest, found bool, err error) {
	r.IdempotencyKey = key
	var status *int
	var header *string
	var body []byte
	found, err = s.one(ctx, `SELECT body_mac, owner, expires_at, status, header, body FROM idempotency_keys WHERE workspace = $1 AND key = $2`,
		[]any{key.Workspace, keyOf(key)}, &r.BodyMAC, &r.Owner, (*moment)(&r.Expires), &status, &header, &body)
	if err == nil && status != nil {
		r.Answer = &registry.Answer{Status: *status, Body: body}
		if err = json.Unmarshal([]byte(*header), &r.Answer.Header); err != nil {
			err = fmt.Errorf("could not decode the header of an answer: %w", err)
		}
	}
	return r, found, err
}

const finishKey = `UPDATE idempotency_keys SET expires_at = $4, status = $5, header = $6, body = $7
	WHERE workspace = $1 AND key = $2 AND owner = $3 AND status IS NULL`

// FinishIdempotentRequest implements [registry.IdempotencyStore].
func (s *Store) FinishIdempotentRequest(ctx context.Context, r registry.IdempotentRequest) error {
	changed, err := s.together(ctx, statement{finishKey, []any{r.Workspace, keyOf(r.IdempotencyKey), r.Owner,
		moment(r.Expires), r.Answer.Status, encoded(r.Answer.Header), r.Answer.Body}})
	if err == nil && changed == 0 {
		err = fault.New(fault.Conflict, "The request took too long, and another request with the same Idempotency-Key has started. Send the request again to get the response.")
	}
	return err
}

// AbandonIdempotentRequest implements [registry.IdempotencyStore].
func (s *Store) AbandonIdempotentRequest(ctx context.Context, r registry.IdempotentRequest) error {
	_, err := s.together(ctx, statement{`DELETE FROM idempotency_keys WHERE workspace = $1 AND key = $2 AND owner = $3 AND status IS NULL`,
		[]any{r.Workspace, keyOf(r.IdempotencyKey), r.Owner}})
	return err
}

// dropBatch is the maximum number of rows that a transaction removes, so that others
// don't wait long for it.
const dropBatch = 500

// dropKeys removes expired keys of all workspaces.
const dropKeys = `DELETE FROM idempotency_keys WHERE (workspace, key) IN (SELECT workspace, key FROM idempotency_keys WHERE expires_at <= $1 LIMIT $2)`

// DropIdempotentRequests implements [registry.IdempotencyStore].
func (s *Store) DropIdempotentRequests(ctx context.Context, now time.Time) error {
	return s.drop(ctx, dropKeys, now)
}

// drop runs a statement that removes up to $2 rows that are older than $1, until it removes
// fewer.
func (s *Store) drop(ctx context.Context, text string, before time.Time) error {
	for dropped := int64(dropBatch); dropped == dropBatch; {
		err := s.InOwnTx(ctx, func(ctx context.Context) (err error) {
			dropped, err = s.exec(ctx, text, moment(before), dropBatch)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
