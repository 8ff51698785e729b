package app_test

import (
	"path/filepath"
	"strings"
	"testing"

	"modelproviders/pkg/app"
)

// A wrong KEK never leads to a keyset in clear text.
func TestWrongKEK(t *testing.T) {
	config := app.Config{DataDir: t.TempDir(), KeysetKEK: "aws-kms://alias/models", DatabaseConnections: 10}
	out := filepath.Join(t.TempDir(), "keyset.json")
	if _, _, err := app.CreateKeyset(t.Context(), config, out); err == nil || !strings.Contains(err.Error(), "aws-kms://arn:") {
		t.Errorf("error %v, want one with an example", err)
	}
	if _, err := app.WrapKeyset(t.Context(), config, "", ""); err == nil || !strings.Contains(err.Error(), "MODELPROVIDERS_KEYSET_KEK") {
		t.Errorf("error %v, want one that names the setting", err)
	}
	if files, _ := filepath.Glob(out + "*"); files != nil {
		t.Errorf("the files %v were created", files)
	}
}
