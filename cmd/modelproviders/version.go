package main

import "modelproviders/pkg/version"

// versionCommand prints the version.
type versionCommand struct{ outputFlags }

// Run prints the version, the commit and the version of Go.
func (c versionCommand) Run(out streams) error {
	return printRecords(out, c.outputFlags, "VERSION\tCOMMIT\tGO", func(v version.Info) []any {
		return []any{v.Version, v.Commit, v.Go}
	}, version.Read())
}
