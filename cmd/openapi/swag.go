package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"

	"go.yaml.in/yaml/v4"
)

// annotations returns what swag reads in package api: the paths, and a schema
// for every struct that they use.
func annotations(ctx context.Context, root string) (object, error) {
	out, err := os.MkdirTemp("", "openapi-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(out) }()
	cmd := exec.CommandContext(ctx, "go", "tool", "swag", "init", "--v3.1", "--quiet",
		"--dir", "api", "--generalInfo", "api.go", "--outputTypes", "yaml")
	cmd.Args = append(cmd.Args, "--output", out)
	cmd.Dir = root
	if output, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("swag: %w\n%s", err, output)
	}
	data, err := fs.ReadFile(os.DirFS(out), "swagger.yaml")
	if err != nil {
		return nil, err
	}
	var doc object
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, fmt.Errorf("swag's output: %w", err)
	}
	delete(doc, "externalDocs") // always empty, which is not valid
	return doc, nil
}
