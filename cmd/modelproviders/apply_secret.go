package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// secrets reads the values of credentials. Paths that are relative begin at dir.
type secrets struct{ dir string }

func (s secrets) read(from source) (string, error) {
	if from.Env != "" {
		value := strings.TrimSpace(os.Getenv(from.Env))
		if value == "" {
			return "", fmt.Errorf("the environment variable %s is not set", from.Env)
		}
		return value, nil
	}
	path := from.File
	if !filepath.IsAbs(path) {
		path = filepath.Join(s.dir, path)
	}
	return new(environment).readSecret(path)
}
