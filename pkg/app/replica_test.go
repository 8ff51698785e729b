package app_test

import (
	"path/filepath"
	"testing"

	"modelproviders/pkg/provider/providertest"
	"modelproviders/pkg/store/storetest"
)

// TestReplicas: what is edited on one replica is what the next call on another
// one uses, without a message between them.
func TestReplicas(t *testing.T) {
	t.Parallel()
	url, keyset := storetest.Postgres(t), filepath.Join(t.TempDir(), "keyset.json")
	a := running(t, onPostgres(url, keyset))
	b := running(t, onPostgres(url, keyset))
	if b.token != "" {
		t.Fatal("the second replica made a token too")
	}
	b.token = a.token
	upstream := providertest.Start(t, providertest.Custom())
	provider, model := a.connect(t, upstream)
	test := func(s *service, wants string) {
		t.Helper()
		if got := s.must(t, 200, "POST", "/models/"+model+"/test", aPrompt()); got.string("status") != wants {
			t.Fatalf("the test answered %s", got.text)
		}
	}
	status := func(s *service) string { return s.must(t, 200, "GET", "/providers/"+provider, nil).string("status") }
	key := func(s *service, key any) {
		s.must(t, 200, "PATCH", "/providers/"+provider, object{"credentials": object{"api_key": key}})
	}

	test(b, "success") // b has a client now
	key(a, "sk-not-the-right-one")
	test(b, "failed")
	if used := upstream.Requests()[1].Header.Get("Authorization"); used != "Bearer sk-not-the-right-one" {
		t.Errorf("the other replica sent %q", used)
	}
	if got := status(a); got != "error" {
		t.Errorf("the status that one replica observed is %q on the other", got)
	}
	key(b, upstream.Credentials["api_key"])
	test(a, "success")
	test(b, "success")
	if got := status(a); got != "active" {
		t.Errorf("the status is %q", got)
	}
	if got := b.must(t, 200, "POST", "/providers/"+provider+"/credentials/api_key/reveal", nil).string("value"); got != upstream.Credentials["api_key"] {
		t.Errorf("revealed %q", got)
	}
	a.must(t, 204, "DELETE", "/providers/"+provider, nil)
	b.must(t, 404, "POST", "/models/"+model+"/test", aPrompt())
}
