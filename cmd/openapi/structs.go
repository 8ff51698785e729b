package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
)

// shape is what a schema owes to its struct in package api beyond what swag
// reads.
type shape struct {
	description string
	// required are the fields that are always there: those whose JSON tag has
	// no omitempty. swag looks at validation tags, which answers don't have.
	required []string
}

// readShapes reads the shapes of the structs of a package, by the name of the
// schema that their `// @name` comment gives.
func readShapes(dir string) (map[string]shape, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	found := structs{}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		for _, decl := range file.Decls {
			found.add(decl)
		}
	}
	shapes := map[string]shape{}
	for typeName, s := range found {
		if s.schema == "" {
			continue
		}
		required, err := found.required(typeName)
		if err != nil {
			return nil, fmt.Errorf("schema %s: %w", s.schema, err)
		}
		shapes[s.schema] = shape{description: describe(typeName, s.doc), required: required}
	}
	return shapes, nil
}

// structs are the structs of a package, by name.
type structs map[string]structType

type structType struct {
	*ast.StructType
	schema string // empty: none
	doc    string
}

func (s structs) add(decl ast.Decl) {
	types, ok := decl.(*ast.GenDecl)
	if !ok || len(types.Specs) != 1 {
		return
	}
	spec, ok := types.Specs[0].(*ast.TypeSpec)
	if !ok {
		return
	}
	if t, ok := spec.Type.(*ast.StructType); ok {
		found := structType{StructType: t, doc: types.Doc.Text()}
		if words := strings.Fields(spec.Comment.Text()); len(words) == 2 && words[0] == "@name" {
			found.schema = words[1]
		}
		s[spec.Name.Name] = found
	}
}

// describe makes a description of a doc comment: `list is one page.` says `One
// page.`
func describe(typeName, doc string) string {
	text := strings.Join(strings.Fields(doc), " ")
	text = strings.TrimPrefix(strings.TrimPrefix(text, typeName+" "), "is ")
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

func (s structs) required(typeName string) ([]string, error) {
	t, ok := s[typeName]
	if !ok {
		return nil, fmt.Errorf("there is no struct %s", typeName)
	}
	var fields []string
	for _, f := range t.Fields.List {
		if len(f.Names) == 0 { // embedded
			ident, ok := f.Type.(*ast.Ident)
			if !ok {
				return nil, fmt.Errorf("%s embeds something else than a struct of the package", typeName)
			}
			inner, err := s.required(ident.Name)
			if err != nil {
				return nil, err
			}
			fields = append(fields, inner...)
			continue
		}
		name, options := jsonTag(f)
		if name != "" && !strings.Contains(options, "omitempty") {
			fields = append(fields, name)
		}
	}
	return fields, nil
}

// jsonTag returns the name and the options of a field's JSON tag; no name for a
// field that is not encoded.
func jsonTag(f *ast.Field) (name, options string) {
	if f.Tag == nil {
		return "", ""
	}
	tag, err := strconv.Unquote(f.Tag.Value)
	if err != nil {
		return "", ""
	}
	name, options, _ = strings.Cut(reflect.StructTag(tag).Get("json"), ",")
	if name == "-" {
		return "", ""
	}
	return name, options
}
