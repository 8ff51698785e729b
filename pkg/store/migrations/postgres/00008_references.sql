-- +goose Up

-- What depends on a model, as others have said. They choose ref.
CREATE TABLE model_references (
    workspace text COLLATE "C" NOT NULL,
    model_id uuid NOT NULL, -- models.id
    ref text COLLATE "C" NOT NULL,
    label text NOT NULL,
    url text NOT NULL, -- empty: none
    created_at timestamptz(3) NOT NULL,
    updated_at timestamptz(3) NOT NULL,
    PRIMARY KEY (workspace, model_id, ref),
    FOREIGN KEY (workspace, model_id) REFERENCES models (workspace, id) ON DELETE CASCADE
);

-- Written together with the references, so that reading models needs no other table.
ALTER TABLE models ADD COLUMN reference_count bigint NOT NULL DEFAULT 0;
