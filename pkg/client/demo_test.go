package client_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"time"

	"modelproviders/pkg/app"
)

// demo starts a demo service for an example.
func demo() (url, token string, stop func()) {
	var log bytes.Buffer
	service, err := app.Start(context.Background(), app.Config{
		Addr: "127.0.0.1:0", Demo: true, DatabaseConnections: 1, TestTimeout: 10 * time.Second, Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	if err != nil {
		panic(err)
	}
	value, err := os.ReadFile(regexp.MustCompile(`path=(\S+admin\.token)`).FindStringSubmatch(log.String())[1])
	if err != nil {
		panic(err)
	}
	return service.URL(), strings.TrimSpace(string(value)), func() {
		if err := service.Close(); err != nil {
			panic(err)
		}
	}
}
