package main

import (
	"strings"
	"testing"

	"modelproviders/pkg/client"
)

func TestApplyOfWhatIsInUse(t *testing.T) {
	r, _ := applied(t)
	refer := func(m client.ModelOfProvider, ref, url string) {
		t.Helper()
		if _, err := r.PutReference(t.Context(), m.ID, ref, client.ReferencePut{Label: "Rule: " + ref, URL: url}); err != nil {
			t.Fatal(err)
		}
	}
	models := r.provider("Production OpenAI").Models
	refer(models[0], "EU", "https://routing.example.com/7")
	refer(models[0], "US", "")
	refer(models[1], "other", "")
	const (
		none     = "providers: []\n"
		oneModel = "providers:\n- {name: Production OpenAI, type: openai, models: [{model_id: gpt-4o}]}\n"
		disabled = "providers:\n- {name: Production OpenAI, type: openai, models: [{model_id: gpt-4o, enabled: false}, {model_id: o1, enabled: true}]}\n"
		inactive = "providers:\n- {name: Production OpenAI, type: openai, status: inactive, models: [{model_id: gpt-4o, enabled: false}]}\n"
		other    = "  o1 is used by Rule: other (other)\n"
	)
	ofGPT := "  gpt-4o is used by Rule: EU (EU) https://routing.example.com/7\n  gpt-4o is used by Rule: US (US)\n"
	version := r.provider("Production OpenAI").Version
	for _, row := range []struct {
		manifest string
		prune    bool
		uses     string
	}{
		{none, true, ofGPT + other}, {oneModel, true, other}, {disabled, false, ofGPT}, {inactive, false, ofGPT + other},
	} {
		var args []string
		if row.prune {
			args = append(args, "--prune")
		}
		want := "Production OpenAI: not changed, because models that would be removed or disabled are in use; --force does it anyway\n" + row.uses
		for _, dryRun := range [][]string{{"--dry-run"}, nil} {
			got := r.apply(exitFailed, row.manifest, append(args, dryRun...)...)
			if !strings.Contains(got.stderr, want) || !strings.Contains(got.stderr, "1 failed") || strings.Contains(got.stdout, "Production") {
				t.Errorf("%v of %s prints\n%s%swant\n%s", dryRun, row.manifest, got.stdout, got.stderr, want)
			}
		}
		if p := r.provider("Production OpenAI"); p.Version != version {
			t.Errorf("%s changed the provider to %+v", row.manifest, p)
		}
		if got := r.apply(exitDifferent, row.manifest, append(args, "--dry-run", "--force")...); !strings.Contains(got.stdout, "Production OpenAI") {
			t.Errorf("a dry run with --force prints %s", got.stdout)
		}
		if row.prune { // the other provider was deleted
			r.apply(exitOK, twoProviders)
		}
	}

	if got := r.run("export"); strings.Contains(got.stdout, "eference") {
		t.Errorf("references are exported:\n%s", got.stdout)
	}
	r.apply(exitOK, inactive, "--force")
	if p := r.provider("Production OpenAI"); p.Enabled || p.Models[0].Enabled || p.ReferenceCount != 3 {
		t.Errorf("disabled with --force, it is %+v", p)
	}
	r.apply(exitFailed, oneModel, "--prune")
	r.apply(exitOK, none, "--prune", "--force")
	if names := r.names(); len(names) != 0 {
		t.Errorf("with --force there are still %v", names)
	}
}
