package api_test

import (
	"testing"

	"modelproviders/api/apitest"
	"modelproviders/pkg/provider/providertest"
)

// onEachWithFake runs a scenario on a fresh service over each database, which
// reaches a fake of its own: what the scenario makes of that, the one over the
// other database does not see.
func onEachWithFake(t *testing.T, fake func() providertest.Fake, scenario func(t *testing.T, s *apitest.Server, fake *providertest.Server)) {
	t.Helper()
	t.Parallel()
	for _, database := range apitest.DatabaseNames() {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			own := providertest.Start(t, fake())
			scenario(t, apitest.Start(t, checker.RoundTripper, database, reaching(own)), own)
		})
	}
}
