// Command openapi writes openapi.yaml, the description of the API that people
// read and clients are generated from, and docs/openapi.yaml, its copy that the
// program serves.
//
// Three sources make it, each saying what it alone knows: the annotations of
// the handlers in package api, which swag reads; the settings of every provider
// type, from package provider; and base.yaml, which holds what no handler
// states. Finishing brings them together, adds what swag can't express (null,
// media types, headers, required fields of answers), and refuses to write a
// description that is not valid, leaves anything undescribed, or holds a schema
// that nothing uses.
//
// It is run by go generate ./...
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"

	"modelproviders/pkg/provider"
)

//go:generate go run modelproviders/cmd/openapi ../..

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "openapi:", err)
		os.Exit(1)
	}
}

// outputs are the files that are written, from the root of the module. Their
// bytes are the same.
func outputs() []string { return []string{"openapi.yaml", filepath.Join("docs", "openapi.yaml")} }

// run takes the root of the module as its argument.
func run(ctx context.Context, args []string, stderr io.Writer) error {
	if len(args) != 1 {
		return errors.New("usage: openapi <root of the module>")
	}
	description, err := generate(ctx, args[0])
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(args[0])
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	for _, name := range outputs() {
		if err := root.WriteFile(name, description, 0o600); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(stderr, "openapi: wrote %v\n", outputs())
	return err
}

// generate makes the description of the module at root.
func generate(ctx context.Context, root string) ([]byte, error) {
	doc, err := annotations(ctx, root)
	if err != nil {
		return nil, err
	}
	shapes, err := readShapes(filepath.Join(root, "api"))
	if err != nil {
		return nil, err
	}
	if err := finish(doc, shapes, provider.Types()); err != nil {
		return nil, err
	}
	description, err := encode(doc)
	if err != nil {
		return nil, err
	}
	return description, validate(ctx, description)
}
