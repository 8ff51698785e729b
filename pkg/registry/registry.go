// Package registry is the domain: providers, their models and their sealed
// credentials, the rules that hold between them, and the clients built from
// them on demand.
//
// Sealing happens here and nowhere else: the [Store] below sees bytes, the API
// above sees nothing. A credential is opened in [Registry.Client], where it
// goes into a client, and in [Registry.Reveal].
package registry
