package app_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"modelproviders/pkg/provider"
)

// directions lists what each package may import of this project. A package that is
// missing here may not exist.
func directions() map[string][]string {
	table := map[string][]string{
		"docs":           {},
		"pkg/client":     {},
		"pkg/egress":     {},
		"pkg/fault":      {},
		"pkg/secret":     {},
		"pkg/secret/kek": {"pkg/secret"},
		"pkg/strictjson": {"pkg/fault"},
		"pkg/version":    {},
		"pkg/tracing":    {"pkg/fault", "pkg/version"},

		"pkg/audit/chain": {"pkg/fault"},
		"pkg/audit":       {"pkg/fault", "pkg/audit/chain"},
		"pkg/auth":        {"pkg/fault", "pkg/audit"},
		"pkg/provider":    {"pkg/fault", "pkg/egress", "pkg/secret", "pkg/strictjson", "pkg/version", "pkg/tracing"},
		"pkg/registry":    {"pkg/provider", "pkg/secret", "pkg/auth", "pkg/audit", "pkg/fault", "pkg/strictjson", "pkg/tracing"},
		"pkg/store":       {"pkg/registry", "pkg/auth", "pkg/audit", "pkg/audit/chain", "pkg/fault", "pkg/tracing"},
		"api":             {"pkg/registry", "pkg/provider", "pkg/secret", "pkg/auth", "pkg/audit", "pkg/fault", "docs", "pkg/strictjson", "pkg/version", "pkg/tracing"},

		"pkg/webhook": {"pkg/registry", "pkg/provider", "pkg/auth", "pkg/secret", "pkg/version"},

		"cmd/modelproviders":                {"pkg/app", "pkg/client", "pkg/fault", "pkg/version"},
		"docs/examples/go/import-providers": {"pkg/client"},
		"docs/examples/go/rotate-key":       {"pkg/client"},
		"docs/examples/go/test-models":      {"pkg/client"},
		"docs/examples/routing":             {"pkg/client"},
		"cmd/openapi":                       {"api", "pkg/provider", "pkg/registry", "pkg/auth", "pkg/audit"},
	}
	for name := range table {
		if name == "api" || strings.HasPrefix(name, "pkg/") {
			table["pkg/app"] = append(table["pkg/app"], name)
		}
	}
	return table
}

// kits lists the test kits with the packages that each of them tests. A kit may import
// those, their imports, pkg/app and other kits. Only tests and kits may import a kit.
func kits() map[string][]string {
	return map[string][]string{
		"api/apitest":               {"api", "pkg/app"},
		"pkg/auth/authtest":         {"pkg/auth"},
		"pkg/provider/providertest": {"pkg/provider"},
		"pkg/secret/kek/kektest":    {"pkg/secret/kek", "pkg/provider"},
		"pkg/store/storetest":       {"pkg/store"},
		"pkg/webhook/webhooktest":   {"pkg/webhook"},
	}
}

// edges lists libraries that only some packages may import.
func edges() map[string][]string {
	kits := slices.Collect(maps.Keys(kits()))
	return map[string][]string{
		"github.com/labstack/echo":     {"api"},
		"gorm.io":                      {"pkg/store"},
		"github.com/pressly/goose":     {"pkg/store"},
		"github.com/tink-crypto":       {"pkg/secret", "pkg/secret/kek"},
		"github.com/hashicorp/vault":   {"pkg/secret/kek"},
		"github.com/aws":               append(kits, "pkg/provider", "pkg/secret/kek"),
		"github.com/go-jose":           {"pkg/auth", "pkg/auth/authtest", "pkg/secret/kek/kektest"},
		"github.com/zitadel":           {"pkg/auth/authtest"},
		"code.dny.dev/ssrf":            {"pkg/egress"},
		"github.com/alecthomas/kong":   {"cmd/modelproviders"},
		"github.com/prometheus":        {"api", "pkg/app"},
		"go.opentelemetry.io":          {"pkg/tracing"},
		"github.com/standard-webhooks": {"pkg/webhook", "pkg/webhook/webhooktest"},
		"testing":                      kits,
	}
}

const module = "modelproviders"

// source is one file of the project that is not a test.
type source struct {
	pkg  string // the directory, from the root
	name string // from the root
	ast  *ast.File
}

// sources parses every file of the project that is not a test.
func sources(t *testing.T) []source {
	t.Helper()
	root := filepath.Join("..", "..")
	if _, err := os.Stat(filepath.Join(root, "go.mod")); err != nil {
		t.Fatal("the root of the project is not where it was:", err)
	}
	var found []source
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && file != root && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "testdata" || entry.Name() == "node_modules"):
			return filepath.SkipDir
		case !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go"):
			return nil
		}
		name, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments|parser.SkipObjectResolution)
		found = append(found, source{pkg: path.Dir(filepath.ToSlash(name)), name: name, ast: parsed})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// imports are the paths that a file imports.
func (s source) imports() []string {
	var paths []string
	for _, spec := range s.ast.Imports {
		name, err := strconv.Unquote(spec.Path.Value)
		if err == nil {
			paths = append(paths, name)
		}
	}
	return paths
}

func TestImportDirections(t *testing.T) {
	table, kits := directions(), kits()
	for _, s := range sources(t) {
		for _, imported := range s.imports() {
			imported, own := strings.CutPrefix(imported, module+"/")
			if !own {
				continue
			}
			allowed := table[s.pkg]
			if tested, kit := kits[s.pkg]; kit {
				allowed = slices.Concat([]string{"pkg/app"}, tested, slices.Collect(maps.Keys(kits)))
				for _, name := range tested {
					allowed = append(allowed, table[name]...)
				}
			}
			if !slices.Contains(allowed, imported) {
				t.Errorf("%s imports %s", s.name, imported)
			}
		}
	}
}

func TestEveryPackageHasItsPlace(t *testing.T) {
	table, kits := directions(), kits()
	for _, s := range sources(t) {
		_, known := table[s.pkg]
		_, kit := kits[s.pkg]
		if !known && !kit {
			t.Errorf("%s: the package %s is not in the table of import directions", s.name, s.pkg)
		}
		if name := s.ast.Name.Name; name != "main" && name != path.Base(s.pkg) {
			t.Errorf("%s: the package in %s is called %s", s.name, s.pkg, name)
		}
		for _, part := range strings.Split(s.pkg, "/") {
			switch part {
			case "util", "utils", "common", "model", "models", "service", "services", "types", "helper", "helpers", "misc", "shared", "internal":
				t.Errorf("%s: %q says nothing about what is in a package", s.name, part)
			}
		}
	}
}

func TestTechnologyStaysAtItsEdge(t *testing.T) {
	for _, s := range sources(t) {
		for _, imported := range s.imports() {
			for library, users := range edges() {
				if (imported == library || strings.HasPrefix(imported, library+"/")) && !slices.Contains(users, s.pkg) {
					t.Errorf("%s imports %s, which is for %v", s.name, imported, users)
				}
			}
		}
	}
}

// TestNobodyElseNamesAProviderType: a type is one file in pkg/provider, and a
// fake. Tags of structs may name one as an example, and generated files are not edited.
func TestNobodyElseNamesAProviderType(t *testing.T) {
	names := map[string]bool{}
	for _, typ := range provider.Types() {
		names[typ.Name()] = true
	}
	if len(names) == 0 {
		t.Fatal("there is no provider type")
	}
	kits := kits()
	for _, s := range sources(t) {
		if _, kit := kits[s.pkg]; kit || s.pkg == "pkg/provider" || ast.IsGenerated(s.ast) {
			continue
		}
		ast.Inspect(s.ast, func(node ast.Node) bool {
			if literal, ok := node.(*ast.BasicLit); ok && literal.Kind == token.STRING {
				if text, err := strconv.Unquote(literal.Value); err == nil && names[text] {
					t.Errorf("%s names the provider type %q", s.name, text)
				}
			}
			return true
		})
	}
}
