package strictjson

import (
	"strconv"
	"unicode/utf8"
)

// maxName bounds a field's name, in bytes, as it is told back to its sender.
// Without it a long name above many broken fields would make an answer out of
// all proportion to the request.
const maxName = 64

// path is where a value stands in the body: a member of an object, or, without
// a name, an element of an array.
type path struct {
	parent *path // nil: the body itself
	name   string
	index  int
	member bool
}

func member(parent *path, name string) *path {
	return &path{parent: parent, name: name, member: true}
}

func element(parent *path, index int) *path {
	return &path{parent: parent, index: index}
}

// String returns the path as in `models[3].model_id`.
func (p *path) String() string {
	if p == nil {
		return ""
	}
	above := p.parent.String()
	if !p.member {
		return above + "[" + strconv.Itoa(p.index) + "]"
	}
	if p.parent != nil {
		above += "."
	}
	return above + shorten(p.name)
}

func shorten(name string) string {
	if len(name) <= maxName {
		return name
	}
	end := maxName
	for !utf8.RuneStart(name[end]) {
		end--
	}
	return name[:end] + "…"
}
