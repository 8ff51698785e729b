package main

import (
	"context"
	"io"
	"strings"
	"testing"
)

// FuzzCommandLine parses any arguments with any value of any setting, without running
// the command. It must end, and not print a value that contains a password.
func FuzzCommandLine(f *testing.F) {
	const password = "canary-password"
	for _, seed := range [][3]string{
		{"", "", ""}, {"serve", "ADDR", "127.0.0.1:0"}, {"tokens create --name x --role admin", "AUDIT_RETENTION", "90d"},
		{"--audit-retention=forever", "TEST_TIMEOUT", "1h"}, {"--trusted-proxies 10.0.0.0/8,", "RATE_TESTS", "-1"},
		{"--help", "REVEAL", "maybe"}, {"audit export --from 2026-01-01", "OIDC_ROLES", "a=admin,,"}, {"-- -x --addr", "DATABASE_CONNECTIONS", "1e9"},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, arguments, name, value string) {
		environ := []string{environmentPrefix + "DATABASE_URL=postgres://app:" + password + "@db.example/mp", environmentPrefix + name + "=" + value}
		var out strings.Builder
		command, err := parse(context.Background(), &commandLine{}, strings.Fields(arguments), newEnvironment(environ), io.Discard, &out)
		if err != nil {
			out.WriteString(err.Error())
		}
		if command == nil && err == nil && !strings.Contains(arguments, "-h") {
			t.Errorf("%q is neither a command nor an error", arguments)
		}
		if strings.Contains(out.String(), password) {
			t.Errorf("%q: %s", arguments, out.String())
		}
	})
}
