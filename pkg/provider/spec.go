package provider

import (
	"embed"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/go-playground/validator/v10"

	"modelproviders/pkg/egress"
	"modelproviders/pkg/fault"
	"modelproviders/pkg/secret"
)

// spec is one provider type over its credentials struct C, whose fields are
// secret.Text or [secretMap], and its config struct F, whose fields are string. Tags on
// the fields say everything about a setting:
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
type spec[C, F any] struct {
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

	// origin is the normalised base URL of a config; nil for types without one.
	origin func(config F) string

	// unproven says, in a sentence, what is not known even if the list of models could
	// be read with the credentials; empty: nothing.
	unproven string

	// open builds the upstream of a client. It makes no calls.
	open func(credentials C, config F, env environment) (upstream, error)

	credentialFields []field
	configFields     []field
	validate         *validator.Validate
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

// register completes a spec by the tags of its structs. It panics on an invalid tag,
// so that the program does not start.
func register[C, F any](s spec[C, F]) *spec[C, F] {
	s.validate = newValidator()
	s.form.Icon, _ = icons.ReadFile("icons/" + s.form.Type + ".svg") // a test finds types without one
	s.credentialFields = fieldsOf(reflect.TypeFor[C](), reflect.TypeFor[secret.Text](), reflect.TypeFor[secretMap]())
	s.configFields = fieldsOf(reflect.TypeFor[F](), reflect.TypeFor[string]())
	for name := range s.parse {
		s.mustKnow(name)
	}
	for _, f := range s.fields() {
		for _, other := range []string{f.Needs, f.excludes} {
			if name, _, _ := strings.Cut(other, "."); name != "" {
				s.mustKnow(name)
			}
		}
		if f.AuthMethod != "" && s.form.methodLabel(f.AuthMethod) == "" {
			panic(fmt.Sprintf("provider: field %s of %s has the unknown auth_method %q", f.Name, s.form.Type, f.AuthMethod))
		}
	}
	return &s
}

func (s *spec[C, F]) fields() []field { return slices.Concat(s.credentialFields, s.configFields) }

// mustKnow panics if the type has no field of that name.
func (s *spec[C, F]) mustKnow(name string) {
	if !slices.ContainsFunc(s.fields(), func(f field) bool { return f.Name == name }) {
		panic(fmt.Sprintf("provider: %s has no field %q", s.form.Type, name))
	}
}

// Name implements [Type.Name].
func (s *spec[C, F]) Name() string { return s.form.Type }

// Form implements [Type.Form].
func (s *spec[C, F]) Form() Form {
	f := s.form
	for _, credential := range s.credentialFields {
		f.Credentials = append(f.Credentials, credential.FormField)
	}
	for _, setting := range s.configFields {
		f.Config = append(f.Config, setting.FormField)
	}
	f.CredentialsSchema = schemaOf(f.Label+" credentials", s.credentialFields, f.AuthMethods)
	f.ConfigSchema = schemaOf(f.Label+" config", s.configFields, f.AuthMethods)
	return f
}

// Origin implements [Type.Origin].
func (s *spec[C, F]) Origin(config map[string]string) string {
	if s.origin == nil {
		return ""
	}
	return s.origin(fill[F](s.configFields, config))
}

// Open implements [Type.Open].
func (s *spec[C, F]) Open(credentials map[string]secret.Text, config map[string]string, opts OpenOptions) (Client, error) {
	if err := s.checkComplete(credentials, config); err != nil {
		return nil, err
	}
	c := newClient(s.requestIDHeaders)
	c.typ, c.unproven = s.form.Type, s.unproven
	for _, values := range []map[string]secret.Text{credentials, opts.Redact} {
		for name, value := range values {
			c.secrets = append(c.secrets, value)
			if !s.isEntry(name) {
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
	if s.origin != nil { // a user chose the address
		env.http = newHTTPClient(egress.Untrusted(opts.Transport))
	}
	up, err := s.open(fill[C](s.credentialFields, credentials), fill[F](s.configFields, config), env)
	if err != nil {
		c.Close()
		return nil, err
	}
	c.upstream = up
	return c, nil
}

// checkComplete returns an error if a required credential is missing.
func (s *spec[C, F]) checkComplete(credentials map[string]secret.Text, config map[string]string) error {
	has := func(f field) bool { return !credentials[f.Name].Empty() || config[f.Name] != "" }
	method := ""
	for _, f := range s.fields() {
		if f.AuthMethod != "" && has(f) {
			method = f.AuthMethod
			break
		}
	}
	if method == "" && len(s.form.AuthMethods) > 0 {
		method = s.form.AuthMethods[0].Name
	}
	for _, f := range s.credentialFields {
		if f.Required && f.isFor(method) && !has(f) {
			return fault.New(fault.Internal, "The credential %s of this %s provider is missing.", f.Name, s.form.Label)
		}
	}
	return nil
}

func (s *spec[C, F]) endpoints() []string { return s.endpointNames }

// isEntry reports whether a credential is an entry of a secret_map.
func (s *spec[C, F]) isEntry(credential string) bool {
	return slices.ContainsFunc(s.credentialFields, func(f field) bool { return f.isEntry(credential) })
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
