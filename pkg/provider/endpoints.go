package provider

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Endpoints are the operator's own endpoints, which replace the public ones. A
// type's own calls to them are exempt from the egress policy.
type Endpoints struct{ byName map[string]string } // without a trailing slash

// ParseEndpoints reads `type=URL,…`. Types whose base URL is a setting of users can't
// have such an endpoint. An unknown or repeated name is an error, which contains all wrong
// entries.
func ParseEndpoints(list string) (Endpoints, error) {
	e := Endpoints{byName: map[string]string{}}
	var wrong []error
	for entry := range strings.SplitSeq(list, ",") {
		if entry = strings.TrimSpace(entry); entry != "" {
			wrong = append(wrong, e.add(entry))
		}
	}
	return e, errors.Join(wrong...)
}

func (e Endpoints) add(entry string) error {
	name, address, found := strings.Cut(entry, "=")
	name = strings.TrimSpace(name)
	if !found {
		return fmt.Errorf("provider endpoint %q must have the form type=URL", entry)
	}
	if names := endpointNames(); !slices.Contains(names, name) {
		return fmt.Errorf("unknown provider endpoint %q; the names are %s", name, strings.Join(names, ", "))
	}
	if e.byName[name] != "" {
		return fmt.Errorf("provider endpoint %q is given twice", name)
	}
	normal, err := parseEndpoint(strings.TrimSpace(address))
	if err != nil {
		return fmt.Errorf("provider endpoint %q: %w", name, err)
	}
	e.byName[name] = normal
	return nil
}

// Origins returns the origins (scheme://host[:port]) that a type's own calls may reach
// even if the egress policy refuses them.
func (e Endpoints) Origins(typeName string) []string {
	typ, ok := Lookup(typeName)
	if !ok {
		return nil
	}
	var origins []string
	for _, name := range typ.endpointNames {
		if u, err := url.Parse(e.byName[name]); err == nil && u.Host != "" {
			origins = append(origins, u.Scheme+"://"+u.Host)
		}
	}
	return slices.Compact(origins)
}

// endpointNames are the names that an operator may give an endpoint for.
func endpointNames() []string {
	var names []string
	for _, t := range table {
		names = append(names, t.endpointNames...)
	}
	return names
}

func parseEndpoint(address string) (string, error) {
	u, err := parseBaseURL(address)
	if err != nil {
		return "", errors.New("the URL " + err.Error())
	}
	if u.RawQuery != "" || u.ForceQuery {
		return "", errors.New("the URL must not have a query")
	}
	return strings.TrimRight(u.String(), "/"), nil
}
