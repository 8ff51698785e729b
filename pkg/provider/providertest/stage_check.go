package providertest

import (
	"maps"
	"slices"
)

// checkAnswers are answers that pass the checks of stages in pkg/registry, by a part of the
// prompt.
var checkAnswers = map[string]string{
	"Make a plan":        `{"goal":"Move the site","steps":[{"title":"Copy","description":"Copy the files."},{"title":"Switch","description":"Change the DNS."}]}`,
	"Summarize the text": "Mara Lindqvist leads the repair of Velmora's old pipes, which affects 1,480 households and will be finished on 14 June.",
	"from my bank":       "BLOCK",
	"delivery address":   "ALLOW",
}

// PassChecks makes the model pass the checks of all stages from now on, in the modes in
// which it answers. It says its text to other prompts.
func (s *Server) PassChecks() {
	for part, text := range checkAnswers {
		s.SayTo(part, text)
	}
	s.CallWith(Arguments)
}

// CheckedParts are parts of the prompts that check stages, each of another one, for
// [Server.SayTo].
func CheckedParts() []string { return slices.Sorted(maps.Keys(checkAnswers)) }
