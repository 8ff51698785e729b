// Command rotate-key replaces a key in all providers that use it, for example because it
// leaked:
//
//	OLD_KEY=… NEW_KEY=… rotate-key
//
// The new key is checked at the provider's service before it replaces the old one. Then
// the enabled models are tested with it. The token needs the role admin.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strings"
	"text/tabwriter"

	"modelproviders/pkg/client"
)

func main() {
	log.SetFlags(0)
	c, err := client.New(os.Getenv("MODELPROVIDERS_URL"), os.Getenv("MODELPROVIDERS_TOKEN"))
	if err != nil {
		log.Fatal(err)
	}
	oldKey, newKey := os.Getenv("OLD_KEY"), os.Getenv("NEW_KEY")
	if oldKey == "" || newKey == "" {
		log.Fatal("OLD_KEY and NEW_KEY must be set")
	}
	ctx := context.Background()
	found, err := c.LookupCredential(ctx, oldKey)
	if err != nil {
		log.Fatal(err)
	}
	if len(found.Data) == 0 {
		log.Print("no provider has the old key")
	}
	if found.Truncated {
		log.Print("there are more providers than a lookup lists; run the command again")
	}
	complete := !found.Truncated
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "PROVIDER\tFIELD\tRESULT\tDETAIL")
	for _, holder := range found.Data {
		result, detail, ok := rotate(ctx, c, holder.ProviderID, holder.Field, newKey)
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", holder.ProviderName, holder.Field, result, detail)
		complete = complete && ok
	}
	if err := table.Flush(); err != nil {
		log.Fatal(err)
	}
	if !complete {
		os.Exit(1)
	}
}

// rotate replaces a credential of a provider.
func rotate(ctx context.Context, c *client.Client, id, field, key string) (result, detail string, ok bool) {
	p, err := c.GetProvider(ctx, id)
	if err != nil {
		return "failed", err.Error(), false
	}
	credentials := change(p, field, key)
	check, err := c.CheckProvider(ctx, id, client.SettingsUpdate{Credentials: credentials})
	if err != nil {
		return "failed", err.Error(), false
	}
	if check.Error != nil {
		return "kept", "the new key: " + check.Error.Message, false
	}
	if _, err := c.UpdateProvider(ctx, id, client.ProviderUpdate{Credentials: credentials}); err != nil {
		return "failed", err.Error(), false
	}
	tests, err := c.TestModels(ctx, id, client.ModelsTestRequest{Prompt: "Say hello.", MaxOutputTokens: 64})
	if err != nil {
		return "replaced", err.Error(), false
	}
	n := tests.Summary
	detail = fmt.Sprintf("%d of %d models answer", n.Succeeded, n.Succeeded+n.Failed+n.Skipped)
	return "replaced", detail, n.Failed+n.Skipped == 0
}

// change returns the credentials of an edit that replaces one. Headers are edited as a
// whole list, in which an empty value keeps the stored one.
func change(p client.Provider, field, key string) map[string]any {
	credentials := map[string]string{}
	for name := range p.Credentials {
		if strings.HasPrefix(field, "headers.") && strings.HasPrefix(name, "headers.") {
			credentials[name] = ""
		}
	}
	credentials[field] = key
	return client.NestedCredentials(credentials)
}
