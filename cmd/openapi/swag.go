package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"

	"go.yaml.in/yaml/v4"
)

// annotations returns what swag makes of the annotations in package api: the
// paths, and a schema for every shape that they name.
//
// What swag 2.0.0-rc6 can't say, finishing adds. What it says wrongly, finishing
// takes back: one response has one media type, the second media type of a body
// is text, and every array says that it may hold an element twice.
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
	if said, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("swag: %w\n%s", err, said)
	}
	data, err := fs.ReadFile(os.DirFS(out), "swagger.yaml")
	if err != nil {
		return nil, err
	}
	var doc object
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, fmt.Errorf("swag's output: %w", err)
	}
	return doc, nil
}
