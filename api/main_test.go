package api_test

import (
	"net/http"
	"testing"

	"modelproviders/api/apitest"
)

func onEach(t *testing.T, scenario func(t *testing.T, s *apitest.Server), options ...apitest.Option) {
	t.Helper()
	apitest.OnEach(t, func(base http.RoundTripper, _ string) http.RoundTripper { return base }, scenario, options...)
}
