package main

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"modelproviders/pkg/app"
)

// secretTag marks flags that contain a secret. Their values are in no error, and an
// environment variable whose name ends with _FILE can name a file with the value.
const secretTag = "secret"

const (
	fileSuffix    = "_FILE"
	maxSecretFile = 64 << 10
)

// environment has the settings in environment variables. A variable that is empty is
// not set.
type environment struct {
	variables map[string]string // by name; only those with the program's prefix
	exposed   []string          // files with a secret that other users can read
	unknown   []string          // variables that are no settings
}

// newEnvironment takes variables in the form of [os.Environ].
func newEnvironment(environ []string) *environment {
	e := &environment{variables: map[string]string{}}
	for _, variable := range environ {
		name, value, _ := strings.Cut(variable, "=")
		if strings.HasPrefix(name, app.EnvironmentPrefix) {
			e.variables[name] = value
		}
	}
	return e
}

// value returns the value of a setting, or "" if it is not set.
func (e *environment) value(setting app.Setting, secret bool) (string, error) {
	value, path := e.variables[setting.Variable()], ""
	if secret {
		path = e.variables[setting.Variable()+fileSuffix]
	}
	switch {
	case path == "":
		return value, nil
	case value != "":
		return "", fmt.Errorf("is set by %s and by %s%s; set one of them", setting.Variable(), setting.Variable(), fileSuffix)
	}
	value, err := e.readSecret(path)
	if err != nil {
		return "", fmt.Errorf("the file in %s%s: %w", setting.Variable(), fileSuffix, err)
	}
	return value, nil
}

// readSecret reads a file, without the line break at its end.
func (e *environment) readSecret(path string) (string, error) {
	file, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }() // it was only read
	content, err := io.ReadAll(io.LimitReader(file, maxSecretFile+1))
	if err != nil {
		return "", err
	}
	value := strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
	switch {
	case len(content) > maxSecretFile:
		return "", fmt.Errorf("%s has more than %d bytes", path, maxSecretFile)
	case value == "":
		return "", fmt.Errorf("%s is empty", path)
	}
	if info, err := file.Stat(); err == nil && info.Mode().IsRegular() && app.ExposedMode(info.Mode()) && !slices.Contains(e.exposed, path) {
		e.exposed = append(e.exposed, path)
	}
	return value, nil
}

// notOurs matches variables that Kubernetes sets for a service named modelproviders.
var notOurs = regexp.MustCompile(`(_SERVICE_HOST|_SERVICE_PORT.*|_PORT|_PORT_.*)$`)

// misspelt returns the variables whose names are almost those of settings of any
// command. Other variables that are no settings are put into unknown.
func (e *environment) misspelt(model *kong.Application) (wrong app.SettingErrors) {
	var known []string
	_ = kong.Visit(model.Node, func(node kong.Visitable, next kong.Next) error {
		if flag, ok := node.(*kong.Flag); ok {
			variable := app.Setting(flag.Name).Variable()
			known = append(known, variable)
			if flag.Tag.Has(secretTag) {
				known = append(known, variable+fileSuffix)
			}
		}
		return next(nil)
	})
	e.unknown = nil
	for name, value := range e.variables {
		if value == "" || slices.Contains(known, name) || notOurs.MatchString(name) {
			continue
		}
		nearest := slices.MinFunc(known, func(a, b string) int { return edits(name, a) - edits(name, b) })
		if edits(name, nearest) > 2 {
			e.unknown = append(e.unknown, name)
			continue
		}
		wrong = append(wrong, fmt.Sprintf("%s: there is no such setting; did you mean %s?", name, nearest))
	}
	slices.Sort(e.unknown)
	slices.Sort(wrong)
	return wrong
}

// edits returns the Levenshtein distance of two names.
func edits(a, b string) int {
	row := make([]int, len(b)+1) // the distances of a part of a to each beginning of b
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}
