package app_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDocumentsNameWhatExists checks that the paths, packages and functions that
// the documents name exist, and that their test commands select something.
func TestDocumentsNameWhatExists(t *testing.T) {
	root := filepath.Join("..", "..")
	documents := []string{filepath.Join(root, "README.md")}
	for _, pattern := range []string{"docs/*.md", "docs/adr/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		documents = append(documents, found...)
	}
	for _, document := range documents {
		text, err := os.ReadFile(document)
		if err != nil {
			t.Fatal(err)
		}
		// The changelog may name what is gone.
		if filepath.Base(document) != "changelog.md" {
			checkPaths(t, root, document, string(text))
			checkFunctions(t, root, document, string(text))
			checkCommands(t, root, document, string(text))
			checkLinks(t, document, string(text))
		}
	}
}

var (
	pathForm     = regexp.MustCompile("`((?:api|cmd|pkg|docs|\\.ci)(?:/[A-Za-z0-9_.*<>-]+)+/?)`")
	functionForm = regexp.MustCompile("(?m)^\\| `([a-z]+/[a-z0-9_/]+\\.go)` \\| ((?:`\\w+`(?:, )?)+) \\|")
	commandForm  = regexp.MustCompile("go test ([^`\n#]*)")
	linkForm     = regexp.MustCompile(`\]\(([^):]*?)(?:#([^)]*))?\)`) // not those with a scheme
)

func checkPaths(t *testing.T, root, document, text string) {
	t.Helper()
	for _, m := range pathForm.FindAllStringSubmatch(text, -1) {
		pattern := regexp.MustCompile("<[a-z]+>").ReplaceAllString(m[1], "*")
		if found, err := filepath.Glob(filepath.Join(root, pattern)); err != nil || len(found) == 0 {
			t.Errorf("%s names %s, which does not exist", document, m[1])
		}
	}
}

// checkLinks checks that the files and headings exist that a document links to.
func checkLinks(t *testing.T, document, text string) {
	t.Helper()
	for _, m := range linkForm.FindAllStringSubmatch(text, -1) {
		target := document
		if m[1] != "" {
			target = filepath.Join(filepath.Dir(document), m[1])
		}
		if _, err := os.Stat(target); err != nil {
			t.Errorf("%s links to %s: %v", document, m[1], err)
		} else if m[2] != "" {
			checkAnchor(t, document, target, m[2])
		}
	}
}

// checkAnchor checks that a document has a heading with that anchor.
func checkAnchor(t *testing.T, from, document, anchor string) {
	t.Helper()
	text, err := os.ReadFile(document)
	if err != nil {
		t.Error(err)
		return
	}
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(string(text), -1) {
		lower := regexp.MustCompile(`[^\w -]`).ReplaceAllString(strings.ToLower(m[1]), "")
		if strings.ReplaceAll(lower, " ", "-") == anchor {
			return
		}
	}
	t.Errorf("%s links to %s#%s, a heading that does not exist", from, document, anchor)
}

// checkFunctions reads the rows of tables that begin with a file and functions.
func checkFunctions(t *testing.T, root, document, text string) {
	t.Helper()
	for _, m := range functionForm.FindAllStringSubmatch(text, -1) {
		source, err := os.ReadFile(filepath.Join(root, m[1]))
		if err != nil {
			t.Error(err)
			continue
		}
		for name := range strings.SplitSeq(strings.ReplaceAll(m[2], "`", ""), ", ") {
			if !regexp.MustCompile(`(?m)^func (?:\([^)]*\) )?` + name + `[(\[]`).Match(source) {
				t.Errorf("%s names the function %s, which is not in %s", document, name, m[1])
			}
		}
	}
}

// checkCommands lists the tests that the commands would run.
func checkCommands(t *testing.T, root, document, text string) {
	t.Helper()
	for _, m := range commandForm.FindAllStringSubmatch(text, -1) {
		var packages []string
		selected := ""
		words := strings.Fields(strings.NewReplacer("'", "", `\|`, "|").Replace(m[1]))
		for i, word := range words {
			switch {
			case strings.HasPrefix(word, "./"):
				packages = append(packages, word)
			case i > 0 && (words[i-1] == "-run" || words[i-1] == "-bench") && word != "^$":
				selected = word
			}
		}
		if len(packages) == 0 {
			continue
		}
		var tests []string
		for _, folder := range packages {
			found := testFiles(t, root, folder)
			if len(found) == 0 {
				t.Errorf("%s: %s: %s has no tests", document, m[0], folder)
			}
			tests = append(tests, found...)
		}
		if selected == "" || selected == "." || strings.Contains(m[1], "-tags") {
			continue
		}
		for name := range strings.SplitSeq(selected, "|") {
			if !hasTest(t, tests, name) {
				t.Errorf("%s: %s: no test or benchmark is selected by %s", document, m[0], name)
			}
		}
	}
}

// testFiles are the test files of a package pattern such as ./pkg/store/...
func testFiles(t *testing.T, root, pattern string) []string {
	t.Helper()
	folder, below := strings.CutSuffix(pattern, "/...")
	globs := []string{"*_test.go"}
	if below {
		globs = append(globs, "*/*_test.go", "*/*/*_test.go")
	}
	var files []string
	for _, glob := range globs {
		found, err := filepath.Glob(filepath.Join(root, folder, glob))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	return files
}

func hasTest(t *testing.T, files []string, name string) bool {
	t.Helper()
	form := regexp.MustCompile(`(?m)^func (?:Test|Benchmark|Fuzz)\w*` + strings.TrimPrefix(name, "Test"))
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if form.Match(source) {
			return true
		}
	}
	return false
}
