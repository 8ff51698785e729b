// Command test-models tests every model that is enabled, of enabled providers, and prints
// the results as a table.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strconv"
	"text/tabwriter"

	"golang.org/x/sync/errgroup"

	"modelproviders/pkg/client"
)

func main() {
	log.SetFlags(0)
	c, err := client.New(os.Getenv("MODELPROVIDERS_URL"), os.Getenv("MODELPROVIDERS_TOKEN"))
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	var models []client.Model
	for model, err := range c.ListModels(ctx, client.ListModelsParams{Available: new(true), Limit: 100}) {
		if err != nil {
			log.Fatal(err)
		}
		models = append(models, model)
	}
	complete := true
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "PROVIDER\tMODEL\tRESULT\tMS\tDETAIL")
	for i, o := range testAll(ctx, c, models) {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", models[i].ProviderName, models[i].ModelID, o.result, o.latency, o.detail)
		complete = complete && o.result == string(client.TestStatusSuccess)
	}
	if err := table.Flush(); err != nil {
		log.Fatal(err)
	}
	if !complete {
		os.Exit(1)
	}
}

// outcome is what became of a test.
type outcome struct{ result, latency, detail string }

// testAll tests models, four at a time.
func testAll(ctx context.Context, c *client.Client, models []client.Model) []outcome {
	outcomes := make([]outcome, len(models))
	var tests errgroup.Group
	tests.SetLimit(4)
	for i, model := range models {
		tests.Go(func() error {
			outcomes[i] = test(ctx, c, model.ID)
			return nil
		})
	}
	_ = tests.Wait() // the outcomes have the errors
	return outcomes
}

func test(ctx context.Context, c *client.Client, id string) outcome {
	result, err := c.TestModel(ctx, id, client.TestRequest{Prompt: "Say hello.", MaxOutputTokens: 64})
	if err != nil { // the service refused to test, for example because of a limit
		return outcome{"refused", "-", err.Error()}
	}
	o := outcome{result: string(result.Status), latency: strconv.FormatInt(result.LatencyMS, 10)}
	if result.Error != nil {
		o.detail = fmt.Sprintf("%s: %s", result.Error.Kind, result.Error.Message)
	}
	return o
}
