package store

import (
	"context"
	"strconv"

	"modelproviders/pkg/registry"
)

// referenceColumns are the columns of a row of model_references.
func referenceColumns(r *registry.Reference) columns {
	return columns{
		{"model_id", &r.ModelID, fixed}, {"ref", &r.Ref, fixed}, {"created_at", (*moment)(&r.CreatedAt), fixed},
		{"label", &r.Label, editable}, {"url", &r.URL, editable}, {"updated_at", (*moment)(&r.UpdatedAt), editable},
	}
}

var (
	referenceNames = referenceColumns(new(registry.Reference)).names("r.")
	// putReference adds a reference, or changes it.
	putReference = func() string {
		row := referenceColumns(new(registry.Reference))
		args := arguments{nil}
		return "INSERT INTO model_references (workspace, " + row.names("") + ") VALUES ($1, " + args.add(row.fields()...) + ")" +
			" ON CONFLICT (workspace, model_id, ref) DO UPDATE SET " + row.only(editable).assign("excluded.")
	}()
)

// References implements [registry.Store].
func (s *Store) References(ctx context.Context, workspace string, q registry.ReferenceQuery) ([]registry.Reference, error) {
	c := where("r", workspace)
	c.and("r.model_id " + s.engine.inIDs(&c.args, q.ModelIDs))
	if q.Ref != "" {
		c.and("r.ref = ?", q.Ref)
	}
	if q.After != "" {
		c.and("r.ref > ?", q.After)
	}
	var row registry.Reference
	query := "SELECT " + referenceNames + " FROM model_references r" + c.text.String() + " ORDER BY r.model_id, r.ref LIMIT " + strconv.Itoa(q.Limit)
	return list(ctx, s, query, c.args, referenceColumns(&row).fields(), func() registry.Reference { return row })
}

// PutReference implements [registry.Store].
func (s *Store) PutReference(ctx context.Context, workspace string, r registry.Reference) error {
	args := append([]any{workspace}, referenceColumns(&r).fields()...)
	if _, err := s.exec(ctx, putReference, args...); err != nil {
		return err
	}
	return s.countReferences(ctx, workspace, r.ModelID)
}

// DeleteReference implements [registry.Store].
func (s *Store) DeleteReference(ctx context.Context, workspace, modelID, ref string) error {
	const statement = `DELETE FROM model_references WHERE workspace = $1 AND model_id = $2 AND ref = $3`
	if _, err := s.exec(ctx, statement, workspace, modelID, ref); err != nil {
		return err
	}
	return s.countReferences(ctx, workspace, modelID)
}

// countReferences writes how many references a model has.
func (s *Store) countReferences(ctx context.Context, workspace, modelID string) error {
	_, err := s.exec(ctx, `UPDATE models SET reference_count =
		(SELECT count(*) FROM model_references r WHERE r.workspace = models.workspace AND r.model_id = models.id)
		WHERE workspace = $1 AND id = $2`, workspace, modelID)
	return err
}
