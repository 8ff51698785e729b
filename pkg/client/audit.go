package client

import (
	"context"
	"iter"
)

// ListAuditEvents iterates over the audit events of the workspace, newest first.
func (c *Client) ListAuditEvents(ctx context.Context, params ListAuditEventsParams) iter.Seq2[AuditEvent, error] {
	return list[AuditEvent](ctx, c, get("audit-events").query(params))
}

// ListAuditEventsPage returns one page of the audit events of the workspace.
func (c *Client) ListAuditEventsPage(ctx context.Context, params ListAuditEventsParams) (AuditEventList, error) {
	return send[AuditEventList](ctx, c, get("audit-events").query(params))
}
