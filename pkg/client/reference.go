package client

import (
	"context"
	"iter"
)

// ListReferences iterates over what depends on a model.
func (c *Client) ListReferences(ctx context.Context, modelID string, params ListReferencesParams) iter.Seq2[Reference, error] {
	return list[Reference](ctx, c, get("models", modelID, "references").query(params))
}

// ListReferencesPage returns one page of what depends on a model.
func (c *Client) ListReferencesPage(ctx context.Context, modelID string, params ListReferencesParams) (ReferenceList, error) {
	return send[ReferenceList](ctx, c, get("models", modelID, "references").query(params))
}

// GetReference returns a reference to a model.
func (c *Client) GetReference(ctx context.Context, modelID, ref string) (Reference, error) {
	return send[Reference](ctx, c, get("models", modelID, "references", ref))
}

// PutReference says that something depends on a model, so that the model is not removed
// or disabled by accident. ref is an id that the caller chooses.
func (c *Client) PutReference(ctx context.Context, modelID, ref string, reference ReferencePut) (Reference, error) {
	return send[Reference](ctx, c, put(reference, "models", modelID, "references", ref))
}

// DeleteReference removes a reference to a model.
func (c *Client) DeleteReference(ctx context.Context, modelID, ref string) error {
	return c.delete(ctx, nil, "models", modelID, "references", ref)
}
