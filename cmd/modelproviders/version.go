package main

import "modelproviders/pkg/version"

// versionCommand prints the version.
type versionCommand struct{ outputFlags }

// Run prints the version, the commit and the version of Go.
func (c versionCommand) Run(out streams) error {
	return printRecords(out, c.outputFlags, []column[version.Info]{
		{"VERSION", func(v version.Info) string { return v.Version }},
		{"COMMIT", func(v version.Info) string { return v.Commit }},
		{"GO", func(v version.Info) string { return v.Go }},
	}, version.Read())
}
