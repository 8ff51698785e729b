-- +goose Up

-- The name of the actor at that time: of a token, or of a user as the OIDC issuer gave it.
ALTER TABLE audit_events ADD COLUMN actor_name text NOT NULL DEFAULT '';

CREATE INDEX tokens_revoked ON tokens (workspace, created_at, id) WHERE revoked_at IS NOT NULL;
