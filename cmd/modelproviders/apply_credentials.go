package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"modelproviders/pkg/app"
	"modelproviders/pkg/client"
)

// Modes of sending credentials.
const (
	sendAlways = "always"
	sendNever  = "never"
)

// removal is what a request contains for a credential that it removes.
var removal = map[string]bool{"set": false}

// entryName returns the name of an entry of a credential with several values, such as
// `headers.x-team`. The service does not distinguish upper and lower case in it.
func entryName(credential, entry string) string { return credential + "." + strings.ToLower(entry) }

// storedCredentials returns the names of the credentials that a provider has.
func storedCredentials(p client.Provider) []string {
	var names []string
	for name, state := range p.Credentials {
		if state.Set {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// credentials returns what is sent for which credentials: a value, or removal. It adds
// those that have a fault to the stored ones, so that they are not reported as missing too.
func (p *planner) credentials(entry providerEntry, stored app.ProviderSettings, moved bool) (sent map[string]any, faults []manifestFault) {
	sent = map[string]any{}
	if p.mode == sendNever {
		return sent, nil
	}
	for _, name := range sortedNames(entry.Credentials) {
		from := entry.Credentials[name]
		_, isStored := stored.Credentials[name]
		switch {
		case from.Removed && isStored:
			sent[name] = removal
			continue
		case from.Removed, p.mode != sendAlways && isStored && !moved:
			continue
		case from == source{}: // its fault is known
			stored.Credentials[name] = nil
			continue
		}
		value, err := p.read(from)
		if err != nil {
			faults = append(faults, entry.fault("credentials."+name, "can't be read: %s", err))
			stored.Credentials[name] = nil
			continue
		}
		sent[name] = value
	}
	return sent, faults
}

// read returns the value of a credential.
func (p *planner) read(from source) (string, error) {
	if from.Env != "" {
		value := strings.TrimSpace(os.Getenv(from.Env))
		if value == "" {
			return "", fmt.Errorf("the environment variable %s is not set", from.Env)
		}
		return value, nil
	}
	path := from.File
	if !filepath.IsAbs(path) {
		path = filepath.Join(p.dir, path)
	}
	return new(environment).readSecret(path)
}

// notFollowing finds the stored credentials that the service would have to send to another
// address, which it refuses.
func (p *planner) notFollowing(entry providerEntry, stored app.ProviderSettings, checked app.CheckedSettings) (faults []manifestFault) {
	for _, name := range sortedNames(stored.Credentials) {
		_, inFile := entry.Credentials[name]
		if checked.Moved && (!inFile || p.mode == sendNever) && !slices.Contains(checked.Removed, name) {
			faults = append(faults, entry.fault("credentials."+name, "must be sent, because base_url changes and a stored credential is not sent to another address"))
		}
	}
	return faults
}

// contradictions finds the settings of the entry that the service would leave out, because
// others belong to another authentication method.
func contradictions(entry providerEntry, checked app.CheckedSettings) (faults []manifestFault) {
	const why = "belongs to another authentication method than other settings here; keep those of one method"
	for _, name := range sortedNames(entry.Credentials) {
		if !entry.Credentials[name].Removed && slices.Contains(checked.Removed, name) {
			faults = append(faults, entry.fault("credentials."+name, why))
		}
	}
	for _, name := range sortedNames(entry.Config) {
		if entry.Config[name] != "" && checked.Config[name] == "" {
			faults = append(faults, entry.fault("config."+name, why))
		}
	}
	return faults
}

// inRequest returns the credentials as a request contains them. A credential with several
// entries is sent with all of them; the empty ones keep what is stored.
func inRequest(sent map[string]any, stored app.ProviderSettings) map[string]any {
	request := client.NestedCredentials(sent)
	for name := range stored.Credentials {
		credential, entry, _ := strings.Cut(name, ".")
		if entries, ok := request[credential].(map[string]any); ok && entries[entry] == nil {
			entries[entry] = ""
		}
	}
	return request
}
