package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
)

// structs are the structs of package api by name, for what swag doesn't read:
// their doc comments, and which fields are always present.
type structs map[string]structType

type structType struct {
	*ast.StructType
	schema string // from the comment `// @name Schema`; empty for none
	doc    string
}

// handlers are the names of the functions that handle operations, by method and path,
// such as `get /providers`.
type handlers map[string]string

// readSource reads the structs and the handlers of a package.
func readSource(dir string) (structs, handlers, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, nil, err
	}
	types, funcs := structs{}, handlers{}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			return nil, nil, err
		}
		for _, decl := range file.Decls {
			types.add(decl)
			funcs.add(decl)
		}
	}
	return types, funcs, nil
}

// router is the annotation of a handler that says which operation it handles.
var router = regexp.MustCompile(`@Router\s+(\S+) \[(\w+)\]`)

func (h handlers) add(decl ast.Decl) {
	f, ok := decl.(*ast.FuncDecl)
	if !ok {
		return
	}
	if operation := router.FindStringSubmatch(f.Doc.Text()); operation != nil {
		h[operation[2]+" "+operation[1]] = f.Name.Name
	}
}

func (s structs) add(decl ast.Decl) {
	types, ok := decl.(*ast.GenDecl)
	if !ok || types.Tok != token.TYPE {
		return
	}
	spec := types.Specs[0].(*ast.TypeSpec)
	if t, ok := spec.Type.(*ast.StructType); ok {
		_, schema, _ := strings.Cut(spec.Comment.Text(), "@name")
		s[spec.Name.Name] = structType{t, strings.TrimSpace(schema), types.Doc.Text()}
	}
}

// complete adds descriptions and required fields to the schemas of structs.
func (s structs) complete(schemas object) error {
	for name, t := range s {
		if t.schema == "" {
			continue
		}
		schema := at(schemas, t.schema)
		if schema == nil {
			return fmt.Errorf("no operation uses the schema %s of package api", t.schema)
		}
		if text := describe(name, t.doc); text != "" {
			schema["description"] = text
		}
		required, err := s.required(name)
		if err != nil {
			return err
		}
		if len(required) > 0 {
			schema["required"] = required
		}
	}
	return nil
}

// describe makes the doc comment "list is one page." the description "One page."
func describe(name, doc string) string {
	text := strings.Join(strings.Fields(doc), " ")
	text = strings.TrimPrefix(strings.TrimPrefix(text, name+" "), "is ")
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// required returns the fields whose JSON tag has no omitempty. swag looks at
// validation tags only, and answers have none.
func (s structs) required(name string) ([]string, error) {
	t, ok := s[name]
	if !ok {
		return nil, fmt.Errorf("package api has no struct %s", name)
	}
	var required []string
	for _, f := range t.Fields.List {
		if len(f.Names) == 0 { // embedded
			inner, err := s.required(types.ExprString(f.Type))
			if err != nil {
				return nil, err
			}
			required = append(required, inner...)
		} else if field, options, _ := strings.Cut(jsonTag(f), ","); field != "-" && options != "omitempty" {
			required = append(required, field)
		}
	}
	return required, nil
}

func jsonTag(f *ast.Field) string {
	return reflect.StructTag(strings.Trim(f.Tag.Value, "`")).Get("json")
}
