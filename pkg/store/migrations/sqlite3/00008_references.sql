-- +goose Up

-- What depends on a model, as others have said. They choose ref.
CREATE TABLE model_references (
    workspace text NOT NULL,
    model_id text NOT NULL, -- models.id
    ref text NOT NULL,
    label text NOT NULL,
    url text NOT NULL, -- empty: none
    created_at integer NOT NULL,
    updated_at integer NOT NULL,
    PRIMARY KEY (workspace, model_id, ref),
    FOREIGN KEY (workspace, model_id) REFERENCES models (workspace, id) ON DELETE CASCADE
) STRICT;

-- Written together with the references, so that reading models needs no other table.
ALTER TABLE models ADD COLUMN reference_count integer NOT NULL DEFAULT 0;
