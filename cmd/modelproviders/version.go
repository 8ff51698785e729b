package main

import "modelproviders/pkg/version"

// versionCommand prints the version.
type versionCommand struct{ outputFlags }

// Help is shown by --help.
func (versionCommand) Help() string {
	return `Prints the version, the commit that the program was built from, and the version of Go. The service also reports version and commit at /healthz.

    modelproviders version --json`
}

// Run prints the version, the commit and the version of Go.
func (c versionCommand) Run(out streams) error {
	return printRecords(out, c.outputFlags, []column[version.Info]{
		{"VERSION", func(v version.Info) string { return v.Version }},
		{"COMMIT", func(v version.Info) string { return v.Commit }},
		{"GO", func(v version.Info) string { return v.Go }},
	}, version.Read())
}
