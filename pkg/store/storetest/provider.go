package storetest

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/registry"
	"modelproviders/pkg/store"
)

func testProvider(t *testing.T, s *store.Store) {
	full := newProvider(`Zoë's “Prod” \ % _`, "gpt-4o", "B/model:1", "b/model:1")
	full.Enabled = false
	full.Error = &registry.ProviderError{Kind: "authentication", Message: "Incorrect API key", ModelID: "gpt-4o", Since: start.Add(time.Hour)}
	full.Credentials["secret"] = registry.Credential{Sealed: []byte{0, 1, 0xff, 0}, UpdatedAt: start.Add(time.Minute)}
	full.Config = map[string]string{"base_url": `https://x/"quoted"`, "empty": ""}
	full.Version, full.Connection = 7, 3
	full.UpdatedAt = start.Add(48*time.Hour + time.Millisecond)
	full.Models[0].Stages = registry.Stages()
	full.Models[0].Enabled = false
	full.Models[0].LastTest = &registry.LastTest{Success: true, Latency: 1234567 * time.Nanosecond, At: start.Add(time.Second)}
	full.Models[1].LastTest = &registry.LastTest{Kind: "timeout", Latency: time.Minute, At: start}
	full.Models[2].Version = 9

	bare := newProvider("bare")
	bare.Credentials, bare.Config = nil, nil

	t.Run("comes back as it went in", func(t *testing.T) {
		create(t, s, full, bare)
		wantStored(t, s, full)
		read := bare
		read.Credentials, read.Config = map[string]registry.Credential{}, map[string]string{}
		wantStored(t, s, read)
	})
	t.Run("a model comes with the facts of its provider", func(t *testing.T) {
		got, err := s.Model(t.Context(), workspace, full.Models[1].ID)
		noError(t, "read the model", err)
		if diff := cmp.Diff(withFacts(full, full.Models[1]), got); diff != "" {
			t.Errorf("model (-want +got):\n%s", diff)
		}
	})
	t.Run("a name is taken once", func(t *testing.T) {
		again := newProvider("BARE", "m")
		err := add(t.Context(), s, again)
		wantFault(t, "create", err, fault.NameTaken)
		if f := fault.As(err); f != nil && !strings.Contains(f.Message, `"BARE"`) {
			t.Errorf("the message does not name the name: %s", f.Message)
		}
		wantDuplicate(t, err, "name")
		_, err = s.Model(t.Context(), workspace, again.Models[0].ID)
		wantFault(t, "read a model of the refused provider", err, fault.NotFound)
	})
	t.Run("a model id is taken once in a provider", func(t *testing.T) {
		twice := newProvider("twice", "same", "same")
		err := add(t.Context(), s, twice)
		wantFault(t, "create", err, fault.ModelExists)
		if f := fault.As(err); f != nil && !strings.Contains(f.Message, `"same"`) {
			t.Errorf("the message does not name the model id: %s", f.Message)
		}
		wantDuplicate(t, err, "model_id")
		_, err = s.Provider(t.Context(), workspace, twice.ID)
		wantFault(t, "read the refused provider", err, fault.NotFound)
	})
	t.Run("an id is never taken over", func(t *testing.T) {
		thief := newProvider("thief", "m")
		thief.Models[0].ID = full.Models[0].ID
		wantFault(t, "create with another's model id", add(t.Context(), s, thief), fault.Internal)
		wantStored(t, s, full)
	})
	t.Run("500 models", func(t *testing.T) {
		many := newProvider("many")
		for i := range 500 {
			many.Models = append(many.Models, newModel(many.ID, fmt.Sprintf("model-%d", i), start.Add(time.Duration(i)*time.Second)))
		}
		create(t, s, many)
		wantStored(t, s, many)
	})
	t.Run("deleted with everything", func(t *testing.T) {
		noError(t, "delete", s.DeleteProvider(t.Context(), full, start))
		_, err := s.Provider(t.Context(), workspace, full.ID)
		wantFault(t, "read the provider", err, fault.NotFound)
		for _, m := range full.Models {
			_, err := s.Model(t.Context(), workspace, m.ID)
			wantFault(t, "read a model", err, fault.NotFound)
		}
		wantFault(t, "delete again", s.DeleteProvider(t.Context(), full, start), fault.NotFound)
		again := full // the name, the credentials and the ids of models are free again
		again.ID, again.Models = newID(), slices.Clone(full.Models)
		for i := range again.Models {
			again.Models[i].ProviderID = again.ID
		}
		create(t, s, again)
		wantStored(t, s, again)
	})
}

func testProviderEdit(t *testing.T, s *store.Store) {
	p := newProvider("before", "a", "b", "c", "d")
	other := newProvider("other", "a")
	create(t, s, p, other)

	// edit changes the stored provider as the registry does.
	edit := func(change func(*registry.Provider)) error {
		return s.InTx(t.Context(), func(ctx context.Context) error {
			locked, err := s.LockProvider(ctx, workspace, p.ID)
			if err != nil {
				return err
			}
			after := locked
			after.Models = slices.Clone(locked.Models)
			change(&after)
			for i, m := range after.Models { // as the registry counts edits
				at := slices.IndexFunc(locked.Models, func(was registry.Model) bool { return was.ID == m.ID })
				if at >= 0 && !reflect.DeepEqual(m, locked.Models[at]) {
					after.Models[i].Version = locked.Models[at].Version + 1
				}
			}
			if err := s.UpdateProvider(ctx, locked, after); err != nil {
				return err
			}
			p = after
			return nil
		})
	}

	t.Run("every column", func(t *testing.T) {
		noError(t, "edit", edit(func(p *registry.Provider) {
			p.Name, p.NameKey, p.Enabled = "After", "after", false
			p.Config = map[string]string{}
			p.Credentials = map[string]registry.Credential{
				"api_key": {Sealed: []byte("new"), UpdatedAt: start.Add(time.Hour)},
				"another": {Sealed: []byte("x"), UpdatedAt: start},
			}
			p.Version, p.Connection, p.UpdatedAt = 2, 2, start.Add(time.Hour)
			for i := range p.Models { // those of another connection don't count
				p.Models[i].StageChecks = nil
			}
		}))
		wantStored(t, s, p)
		m, err := s.Model(t.Context(), workspace, p.Models[0].ID)
		noError(t, "read a model", err)
		if diff := cmp.Diff(withFacts(p, p.Models[0]), m); diff != "" {
			t.Errorf("facts of the provider (-want +got):\n%s", diff)
		}
	})
	t.Run("back to nothing", func(t *testing.T) {
		noError(t, "edit", edit(func(p *registry.Provider) {
			p.Enabled, p.Credentials = true, map[string]registry.Credential{}
		}))
		wantStored(t, s, p)
	})
	t.Run("another connection clears the error, nothing else does", func(t *testing.T) {
		p.Error = &registry.ProviderError{Kind: "unreachable", Message: "no route", Since: start}
		noError(t, "record", s.RecordCall(t.Context(), call(p, registry.Call{Failure: p.Error})))
		noError(t, "rename", edit(func(p *registry.Provider) { p.Name, p.NameKey = "Again", "again" }))
		wantStored(t, s, p)
		noError(t, "reconnect", edit(func(p *registry.Provider) { p.Connection++ }))
		p.Error = nil
		wantStored(t, s, p)
	})
	t.Run("models added, changed, left alone, removed", func(t *testing.T) {
		noError(t, "edit", edit(func(p *registry.Provider) {
			p.Models = p.Models[1:]
			p.Models[0].DisplayName, p.Models[0].NameKey = "Renamed", "renamed"
			p.Models[0].Stages = []registry.Stage{registry.ToolCall, registry.Guardrail}
			p.Models = append(p.Models, newModel(p.ID, "e", start.Add(time.Hour)))
		}))
		wantStored(t, s, p)
	})
	t.Run("model ids swapped", func(t *testing.T) {
		noError(t, "edit", edit(func(p *registry.Provider) {
			p.Models[0].ModelID, p.Models[1].ModelID = p.Models[1].ModelID, p.Models[0].ModelID
		}))
		wantStored(t, s, p)
	})
	t.Run("model ids passed on, the last to none", func(t *testing.T) {
		for _, forward := range []bool{true, false} {
			noError(t, "edit", edit(func(p *registry.Provider) {
				m := slices.Clone(p.Models)
				if !forward {
					slices.Reverse(m)
				}
				for i := range m {
					at := slices.IndexFunc(p.Models, func(other registry.Model) bool { return other.ID == m[i].ID })
					p.Models[at].ModelID = fmt.Sprint("free ", forward)
					if i+1 < len(m) {
						p.Models[at].ModelID = m[i+1].ModelID
					}
				}
			}))
			wantStored(t, s, p)
		}
	})
	t.Run("model ids rotated, one freed and taken", func(t *testing.T) {
		noError(t, "edit", edit(func(p *registry.Provider) {
			m := p.Models
			m[0].ModelID, m[1].ModelID, m[2].ModelID = m[1].ModelID, m[2].ModelID, m[0].ModelID
			freed := m[3].ModelID
			m[3] = newModel(p.ID, freed, start.Add(2*time.Hour))
		}))
		wantStored(t, s, p)
	})
	t.Run("a name or a model id that is taken changes nothing", func(t *testing.T) {
		before := stored(t, s, p.ID)
		wantFault(t, "rename", edit(func(p *registry.Provider) { p.Name, p.NameKey = "Other", "other" }), fault.NameTaken)
		wantFault(t, "same model id", edit(func(p *registry.Provider) {
			p.Name = "not this"
			p.Models[0].ModelID = p.Models[1].ModelID
		}), fault.ModelExists)
		wantStored(t, s, before)
	})
	t.Run("no models", func(t *testing.T) {
		noError(t, "edit", edit(func(p *registry.Provider) { p.Models = nil }))
		wantStored(t, s, p)
		wantStored(t, s, other)
	})
	t.Run("needs the lock", func(t *testing.T) {
		if err := s.UpdateProvider(t.Context(), p, p); err == nil {
			t.Error("UpdateProvider outside a transaction worked")
		}
		if _, err := s.LockProvider(t.Context(), workspace, p.ID); err == nil {
			t.Error("LockProvider outside a transaction worked")
		}
		err := s.InTx(t.Context(), func(ctx context.Context) error {
			if _, err := s.LockProvider(ctx, workspace, other.ID); err != nil {
				return err
			}
			return s.UpdateProvider(ctx, p, p)
		})
		if err == nil {
			t.Error("UpdateProvider of a provider that is not the locked one worked")
		}
	})
	t.Run("not found", func(t *testing.T) {
		wantFault(t, "lock", s.InTx(t.Context(), func(ctx context.Context) error {
			_, err := s.LockProvider(ctx, workspace, newID())
			return err
		}), fault.NotFound)
		wantFault(t, "update a deleted one", s.InTx(t.Context(), func(ctx context.Context) error {
			locked, err := s.LockProvider(ctx, workspace, p.ID)
			if err != nil {
				return err
			}
			if err := s.DeleteProvider(ctx, p, start); err != nil {
				return err
			}
			return s.UpdateProvider(ctx, locked, locked)
		}), fault.NotFound)
		wantStored(t, s, p)
	})
}
