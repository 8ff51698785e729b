// Command import-providers creates a provider for each row of a CSV file:
//
//	import-providers providers.csv
//
// The first row names the columns: name, type, models and stages (both separated by
// spaces), credentials.FIELD and config.FIELD. A provider whose name is taken is left as
// it is, so that the command can be repeated.
package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"log"
	"os"
	"strings"
	"text/tabwriter"

	"modelproviders/pkg/client"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: import-providers FILE.csv")
	}
	c, err := client.New(os.Getenv("MODELPROVIDERS_URL"), os.Getenv("MODELPROVIDERS_TOKEN"))
	if err != nil {
		log.Fatal(err)
	}
	providers, err := readProviders(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NAME\tTYPE\tRESULT\tDETAIL")
	complete := true
	for _, p := range providers {
		result, detail := create(context.Background(), c, p)
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", p.Name, p.Type, result, detail)
		complete = complete && result != "failed"
	}
	if err := table.Flush(); err != nil {
		log.Fatal(err)
	}
	if !complete {
		os.Exit(1)
	}
}

// create creates a provider. The client repeats the request after 429 and 503, with an
// Idempotency-Key.
func create(ctx context.Context, c *client.Client, p client.ProviderCreate) (result, detail string) {
	created, err := c.CreateProvider(ctx, p)
	switch {
	case err == nil:
		return "created", fmt.Sprintf("models: %d", created.ModelCount)
	case errors.Is(err, client.ProblemCodeNameTaken):
		return "exists", ""
	}
	return "failed", err.Error()
}

func readProviders(path string) ([]client.ProviderCreate, error) {
	content, err := os.ReadFile(path) //nolint:gosec // the user names the file
	if err != nil {
		return nil, err
	}
	content = bytes.TrimPrefix(content, []byte("\ufeff")) // as Excel writes it
	rows, err := csv.NewReader(bytes.NewReader(content)).ReadAll()
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, errors.New(path + " is empty")
	}
	var providers []client.ProviderCreate
	for _, row := range rows[1:] {
		p, err := provider(rows[0], row)
		if err != nil {
			return nil, err
		}
		providers = append(providers, p)
	}
	return providers, nil
}

func provider(columns, row []string) (client.ProviderCreate, error) {
	credentials, config := map[string]string{}, map[string]string{}
	p := client.ProviderCreate{Credentials: credentials, Config: config}
	var models, stages string
	for i, value := range row {
		column := columns[i]
		group, field, _ := strings.Cut(column, ".")
		switch {
		case value == "":
		case column == "name":
			p.Name = value
		case column == "type":
			p.Type = client.ProviderTypeName(value)
		case column == "models":
			models = value
		case column == "stages":
			stages = value
		case group == "credentials":
			credentials[field] = value
		case group == "config":
			config[field] = value
		default:
			return p, fmt.Errorf("the column %q is unknown", column)
		}
	}
	for id := range strings.FieldsSeq(models) {
		model := client.ModelCreate{ModelID: id}
		for stage := range strings.FieldsSeq(cmp.Or(stages, string(client.StageNamePlanning))) {
			model.SupportedStages = append(model.SupportedStages, client.StageName(stage))
		}
		p.Models = append(p.Models, model)
	}
	return p, nil
}
