package provider

import (
	"embed"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"modelproviders/pkg/egress"
	"modelproviders/pkg/fault"
	"modelproviders/pkg/secret"
)

// Type is one kind of provider, such as `openai`. Its settings are the fields of two
// structs: credentials, whose fields are secret.Text or [secretMap], and config, whose
// fields are string. Tags on the fields say everything about a setting:
//
//	json         the name on the wire
//	label        the name for people
//	help         one sentence for people
//	kind         secret, secret_json, secret_map, text or url
//	placeholder  an example; of a secret, the beginning of one and …
//	suggestions  common values, separated by spaces; others are accepted too
//	group        name and label of a group of fields that belong together, as in "access_key,Access key"
//	auth_method  the [AuthMethod] that the field is for; without it, all
//	needs        another field that must have a value if this one has
//	excludes     another field, or entry of a secret_map, that must have no value then
//	max_entries  the number of entries that a secret_map may have
//	validate     rules of go-playground/validator: required, max, max_bytes, printascii
//	pattern      a regular expression that the whole value matches
//	message      what is wrong with a value that does not match the pattern, as in "must be …"
//
// Lengths are in characters, except for max_bytes. A field of an authentication method is
// required only if that method is used. A field without a value is an empty string, or an
// empty [secret.Text]. In a secret_map, the rules are for each value, and the entry x of
// the field headers is stored as the credential headers.x.
type Type struct {
	form Form // without the fields and schemas, which come from the tags, and the icon

	// endpointNames are the names of the services whose public endpoint the operator
	// may replace. The main service has the name of the type.
	endpointNames []string

	// requestIDHeaders are the response headers that may contain the provider's id of
	// a request. The first one that is set is used.
	requestIDHeaders []string

	// parse normalises the value of a field, by its name, beyond what its tags
	// say; of a secret_map, the names. Its error says what is wrong, without the value.
	parse map[string]func(value string) (string, error)

	// origin is the origin of the setting base_url; nil for types without one.
	origin func(baseURL string) string

	// unproven says, in a sentence, what is not known even if the list of models could
	// be read with the credentials; empty: nothing.
	unproven string

	credentialFields []field
	configFields     []field
	open             func(credentials map[string]secret.Text, config map[string]string, env environment) (upstream, error)
}

// icons has an image of each type, icons/{type}.svg.
//
//go:embed icons/*.svg
var icons embed.FS

// environment is what an upstream needs for its calls.
type environment struct {
	http   *http.Client // for the calls of the API; see [newHTTPClient]
	tokens *http.Client // for the calls of token endpoints
	// endpoints are the operator's own base URLs, by the name of the service.
	endpoints map[string]string
	// hide redacts a secret derived from the credentials in everything that the
	// client returns. [hide] does so for a secret of one call.
	hide func(plain string)
}

// register completes a type by the tags of its structs. open builds the upstream of a
// client, and makes no calls. register panics on an invalid tag, so that the program does
// not start.
func register[C, F any](t Type, open func(credentials C, config F, env environment) (upstream, error)) *Type {
	t.form.Icon, _ = icons.ReadFile("icons/" + t.form.Type + ".svg") // a test finds types without one
	t.credentialFields = fieldsOf(reflect.TypeFor[C](), reflect.TypeFor[secret.Text](), reflect.TypeFor[secretMap]())
	t.configFields = fieldsOf(reflect.TypeFor[F](), reflect.TypeFor[string]())
	t.open = func(credentials map[string]secret.Text, config map[string]string, env environment) (upstream, error) {
		return open(fill[C](t.credentialFields, credentials), fill[F](t.configFields, config), env)
	}
	for name, parse := range t.parse {
		t.mustFind(name).parse = parse
	}
	for _, f := range t.fields() {
		for _, other := range []string{f.Needs, f.excludes} {
			if name, _, _ := strings.Cut(other, "."); name != "" {
				t.mustFind(name)
			}
		}
		if f.AuthMethod != "" && t.form.methodLabel(f.AuthMethod) == "" {
			panic(fmt.Sprintf("provider: field %s of %s has the unknown auth_method %q", f.Name, t.form.Type, f.AuthMethod))
		}
	}
	return &t
}

func (t *Type) fields() []field { return slices.Concat(t.credentialFields, t.configFields) }

// mustFind panics if the type has no field of that name.
func (t *Type) mustFind(name string) *field {
	for _, fields := range [][]field{t.credentialFields, t.configFields} {
		if i := slices.IndexFunc(fields, func(f field) bool { return f.Name == name }); i >= 0 {
			return &fields[i]
		}
	}
	panic(fmt.Sprintf("provider: %s has no field %q", t.form.Type, name))
}

// Name is the type's stable name on the wire.
func (t *Type) Name() string { return t.form.Type }

// Form describes the settings for a user interface.
func (t *Type) Form() Form {
	f := t.form
	for _, credential := range t.credentialFields {
		f.Credentials = append(f.Credentials, credential.FormField)
	}
	for _, setting := range t.configFields {
		f.Config = append(f.Config, setting.FormField)
	}
	f.CredentialsSchema = schemaOf(f.Label+" credentials", t.credentialFields, f.AuthMethods)
	f.ConfigSchema = schemaOf(f.Label+" config", t.configFields, f.AuthMethods)
	return f
}

// Origin is the normalised base URL of a config (scheme, host, port and path, without
// `/v1` and a trailing slash), or "" for a type without one. A stored credential must not
// be sent to another origin.
func (t *Type) Origin(config map[string]string) string {
	if t.origin == nil {
		return ""
	}
	return t.origin(config["base_url"])
}

// Open builds a client. The credentials and the config are those that Read accepted.
func (t *Type) Open(credentials map[string]secret.Text, config map[string]string, opts OpenOptions) (Client, error) {
	if err := t.checkComplete(credentials, config); err != nil {
		return nil, err
	}
	c := &client{typ: t, redact: newRedactor()}
	for _, values := range []map[string]secret.Text{credentials, opts.Redact} {
		for name, value := range values {
			c.secrets = append(c.secrets, value)
			if !t.isEntry(name) {
				c.redact.addBytes(value.Bytes())
			} else if len(value.Bytes()) >= minSecretInMap { // ASCII
				c.redact.addBytes(value.Bytes())
				c.redact.addBytes([]byte(barest(value.Reveal())))
				if _, token, _ := strings.Cut(value.Reveal(), " "); len(token) >= minSecretInMap { // after the scheme
					c.redact.add(token)
				}
			}
		}
	}
	env := environment{
		http:      newHTTPClient(opts.Transport),
		tokens:    newHTTPClient(opts.Transport),
		endpoints: opts.Endpoints.byName,
		hide:      c.redact.add,
	}
	if t.origin != nil { // a user chose the address
		env.http = newHTTPClient(egress.Untrusted(opts.Transport))
	}
	var err error
	if c.upstream, err = t.open(credentials, config, env); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (t *Type) checkComplete(credentials map[string]secret.Text, config map[string]string) error {
	has := func(f field) bool { return !credentials[f.Name].Empty() || config[f.Name] != "" }
	method := ""
	if i := slices.IndexFunc(t.fields(), func(f field) bool { return f.AuthMethod != "" && has(f) }); i >= 0 {
		method = t.fields()[i].AuthMethod
	} else if len(t.form.AuthMethods) > 0 {
		method = t.form.AuthMethods[0].Name
	}
	for _, f := range t.credentialFields {
		if f.Required && f.isFor(method) && !has(f) {
			return fault.New(fault.Internal, "The credential %s of this %s provider is missing.", f.Name, t.form.Label)
		}
	}
	return nil
}

func (t *Type) isEntry(credential string) bool {
	return slices.ContainsFunc(t.credentialFields, func(f field) bool { return f.isEntry(credential) })
}

// fill returns a settings struct with values, which are given by wire name.
func fill[S, V any](fields []field, values map[string]V) S {
	var settings S
	v := reflect.ValueOf(&settings).Elem()
	for _, f := range fields {
		if f.Kind == KindSecretMap {
			v.Field(f.index).Set(reflect.ValueOf(entriesOf(f, values)))
			continue
		}
		v.Field(f.index).Set(reflect.ValueOf(values[f.Name]))
	}
	return settings
}

// table is every type, in the order of the contract. It is the only list of
// types in the program.
var table = []*Type{
	openAI,
	anthropicAPI,
	azureOpenAI,
	awsBedrock,
	gcpVertexAI,
	custom,
}

// Types returns every provider type, in the order in which they are shown.
func Types() []*Type { return slices.Clone(table) }

// Lookup returns the type with that name.
func Lookup(name string) (*Type, bool) {
	for _, t := range table {
		if t.Name() == name {
			return t, true
		}
	}
	return nil, false
}
