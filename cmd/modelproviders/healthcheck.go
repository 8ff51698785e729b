package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"modelproviders/pkg/app"
)

// healthcheckCommand asks the local service whether it is ready.
type healthcheckCommand struct {
	listenFlags
	Live bool `help:"Ask /healthz instead of /readyz: only whether the process is running."`
}

// healthTimeout is longer than the service needs to find out that it is not ready.
const healthTimeout = 10 * time.Second

func (c healthcheckCommand) check() app.SettingErrors {
	return app.Config{Addr: c.Addr, BasePath: c.BasePath}.CheckListen()
}

// Run asks the service once.
func (c healthcheckCommand) Run(ctx context.Context, out streams) error {
	url := c.url() + "/readyz"
	if c.Live {
		url = c.url() + "/healthz"
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	transport := &http.Transport{
		// The certificate is the service's own, for another name than that of this
		// machine. Nothing secret is sent.
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // see above
		DisableKeepAlives: true,
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return fmt.Errorf("the service at %s does not answer: %w", url, err)
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusOK {
		out.note("%s answers that the service is healthy.", url)
		return nil
	}
	problem := struct{ Detail string }{Detail: response.Status}
	_ = json.NewDecoder(io.LimitReader(response.Body, 64<<10)).Decode(&problem) // may be another server's
	return fmt.Errorf("%s: %s", url, oneLine(problem.Detail))
}
