// Package version identifies the build of the program: its version, and the commit that
// it was built from. Go records both in the program when it is built in a Git
// repository or from a module proxy; the linker sets nothing.
package version

import (
	"cmp"
	"runtime/debug"
	"strings"
	"sync"
)

// Info identifies a build.
type Info struct {
	Version string `json:"version"` // a tag, or a pseudo-version; devel if it is not known
	Commit  string `json:"commit"`  // with +dirty if files had changed since; empty if it is not known
	Go      string `json:"go"`      // the version of Go
}

// Read returns the build of the running program.
var Read = sync.OnceValue(func() Info {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return Info{Version: "devel"}
	}
	return of(info)
})

func of(info *debug.BuildInfo) Info {
	build := Info{Version: cmp.Or(strings.Trim(info.Main.Version, "()"), "devel"), Go: info.GoVersion}
	dirty := ""
	for _, setting := range info.Settings {
		switch {
		case setting.Key == "vcs.revision":
			build.Commit = setting.Value
		case setting.Key == "vcs.modified" && setting.Value == "true":
			dirty = "+dirty"
		}
	}
	if build.Commit != "" {
		build.Commit += dirty
	}
	return build
}
