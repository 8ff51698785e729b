package main

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"modelproviders/pkg/app"
)

// TestDocumentsNameSettingsAndCommands checks that the settings, commands and flags
// that documents and files for deployments name exist.
func TestDocumentsNameSettingsAndCommands(t *testing.T) {
	program, err := kong.New(&commandLine{})
	if err != nil {
		t.Fatal(err)
	}
	known := settingNames(program.Model)
	for _, path := range documents(t) {
		text := readFile(t, path)
		for _, name := range settingForm.FindAllString(text, -1) {
			if !slices.Contains(known, name) && !otherVariables.MatchString(name) {
				t.Errorf("%s names the setting %s, which does not exist", path, name)
			}
		}
		for _, match := range commandForm.FindAllStringSubmatch(text, -1) {
			if err := findCommand(program.Model.Node, match[1]); err != "" {
				t.Errorf("%s names the command modelproviders%s: %s", path, match[1], err)
			}
		}
	}
}

var (
	settingForm = regexp.MustCompile(app.EnvironmentPrefix + `[A-Z_]*[A-Z]`)
	// otherVariables are those of tests and of clients.
	otherVariables = regexp.MustCompile(`^MODELPROVIDERS_(LIVE|BENCH|BROWSER|TEST_POSTGRES)_|^MODELPROVIDERS_(LIVE|URL|TOKEN)$`)
	// commandForm is a command in a block or span of code.
	commandForm = regexp.MustCompile("(?m)(?:^ {4,}|`|run \\./cmd/)modelproviders( [a-z][^ `|\n#]*(?: [^ `|\n#]+)*)")
)

// documents are the paths of the documents and of files for deployments.
func documents(t *testing.T) []string {
	t.Helper()
	root := filepath.Join("..", "..")
	paths := []string{filepath.Join(root, "README.md"), filepath.Join(root, "docker-compose.yml"), filepath.Join(root, "Dockerfile")}
	err := filepath.WalkDir(filepath.Join(root, "docs"), func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.Name() == "node_modules":
			return filepath.SkipDir
		case entry.Name() == "changelog.md": // it may name what is gone
		case slices.Contains([]string{".md", ".yaml", ".yml", ".conf"}, filepath.Ext(path)):
			paths = append(paths, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(paths, func(path string) bool {
		info, err := os.Stat(path)
		return err != nil || info.IsDir()
	})
}

// settingNames returns the names of all variables that are settings.
func settingNames(model *kong.Application) (names []string) {
	_ = kong.Visit(model.Node, func(node kong.Visitable, next kong.Next) error {
		if flag, ok := node.(*kong.Flag); ok {
			name := app.Setting(flag.Name).Variable()
			names = append(names, name, name+fileSuffix)
		}
		return next(nil)
	})
	return names
}

// findCommand looks for the commands and flags of a line, and says what does not exist.
func findCommand(node *kong.Node, line string) string {
	flags := node.Flags
	for word := range strings.FieldsSeq(line) {
		name, isFlag := strings.CutPrefix(word, "--")
		name, _, _ = strings.Cut(name, "=")
		switch {
		case isFlag:
			if !slices.ContainsFunc(flags, func(f *kong.Flag) bool { return f.Name == name }) {
				return "there is no flag --" + name
			}
		case len(node.Children) > 0:
			found := slices.IndexFunc(node.Children, func(child *kong.Node) bool { return child.Name == word })
			if found < 0 {
				return "there is no command " + word
			}
			node = node.Children[found]
			flags = append(slices.Clone(flags), node.Flags...)
		}
	}
	return ""
}

// TestKeysetMadeInAdvance runs the command in operations.md with the settings of the
// service. It uses neither the database nor the keyset of the service.
func TestKeysetMadeInAdvance(t *testing.T) {
	command := regexp.MustCompile(`modelproviders (keys create .*)`).FindStringSubmatch(readFile(t, filepath.Join("..", "..", "docs", "operations.md")))
	if command == nil {
		t.Fatal("operations.md does not have the command")
	}
	t.Chdir(t.TempDir())
	variables := map[string]string{"MODELPROVIDERS_DATABASE_URL": "postgres://me@127.0.0.1:1/used", "MODELPROVIDERS_KEYSET": "used.json", "MODELPROVIDERS_DATA_DIR": "used"}
	if err := run(t.Context(), strings.Fields(command[1]), environmentOf(variables), io.Discard, io.Discard); err != nil {
		t.Fatal(err)
	}
	readFile(t, filepath.Join("new", "keyset.json"))
	if files, _ := os.ReadDir("."); len(files) != 1 {
		t.Errorf("made %v", files)
	}
}
