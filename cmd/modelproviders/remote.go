package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"modelproviders/pkg/app"
	"modelproviders/pkg/client"
)

// remoteFlags say which service a command calls. The hidden flags are those of `serve`,
// which find a service on this machine.
type remoteFlags struct {
	URL   string `help:"URL of the service; by default, the service on this machine is called."`
	Token string `secret:"" help:"API token; by default admin.token in the data directory of the service on this machine. Set it with MODELPROVIDERS_TOKEN or MODELPROVIDERS_TOKEN_FILE: other users can see command lines."`

	DataDir  string `default:"./data" hidden:""`
	Addr     string `default:"127.0.0.1:8080" hidden:""`
	BasePath string `hidden:""`
	TLSCert  string `name:"tls-cert" hidden:""`
	Auth     string `default:"on" hidden:""`
}

// client returns a client of the service.
func (r remoteFlags) client() (*client.Client, error) {
	address, token := r.URL, r.Token
	if address == "" {
		address = listenFlags{Addr: r.Addr, BasePath: r.BasePath, TLSCert: r.TLSCert}.url()
		if token == "" && r.Auth != "off" {
			content, err := os.ReadFile(filepath.Join(r.DataDir, "admin.token"))
			if errors.Is(err, fs.ErrNotExist) {
				return nil, fmt.Errorf("set %sURL and %sTOKEN: there is no service on this machine whose data is in %s", app.EnvironmentPrefix, app.EnvironmentPrefix, r.DataDir)
			}
			if err != nil {
				return nil, err
			}
			token = string(content)
		}
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = 2 * time.Minute
	transport.MaxIdleConnsPerHost = applyWorkers
	return client.New(address, token, client.WithHTTPClient(&http.Client{Transport: transport}))
}
