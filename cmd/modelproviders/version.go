package main

import (
	"fmt"
	"runtime/debug"
)

// versionCommand prints which build this is.
type versionCommand struct{}

// Run prints the module's version and the commit it was built from, as far as
// the build knows them.
func (versionCommand) Run(out streams) error {
	version, revision := "unknown", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		version = info.Main.Version
		for _, setting := range info.Settings {
			if setting.Key == "vcs.revision" {
				revision = " " + setting.Value
			}
		}
	}
	_, err := fmt.Fprintf(out.stdout, "modelproviders %s%s\n", version, revision)
	return err
}
