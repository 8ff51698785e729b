package version

import (
	"runtime"
	"runtime/debug"
	"testing"
)

func TestBuilds(t *testing.T) {
	vcs := func(modified string) []debug.BuildSetting {
		return []debug.BuildSetting{{Key: "vcs", Value: "git"}, {Key: "vcs.revision", Value: "979cc78"}, {Key: "vcs.modified", Value: modified}}
	}
	for name, test := range map[string]struct {
		build debug.BuildInfo
		want  Info
	}{
		"by go install":    {debug.BuildInfo{GoVersion: "go1.26.0", Main: debug.Module{Version: "v1.2.3"}}, Info{Version: "v1.2.3", Go: "go1.26.0"}},
		"in a repository":  {debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}, Settings: vcs("false")}, Info{Version: "v1.2.3", Commit: "979cc78"}},
		"of changed files": {debug.BuildInfo{Main: debug.Module{Version: "v1.2.3+dirty"}, Settings: vcs("true")}, Info{Version: "v1.2.3+dirty", Commit: "979cc78+dirty"}},
		"by go run":        {debug.BuildInfo{Main: debug.Module{Version: "(devel)"}}, Info{Version: "devel"}},
		"of a test":        {debug.BuildInfo{}, Info{Version: "devel"}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := of(&test.build); got != test.want {
				t.Errorf("is %+v, want %+v", got, test.want)
			}
		})
	}
	if got := Read(); got.Go != runtime.Version() {
		t.Errorf("this is %+v", got)
	}
}
