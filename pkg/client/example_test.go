package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"modelproviders/pkg/client"
)

// The examples call a demo service at url with an admin's token.

func Example() {
	url, token, stop := demo()
	defer stop()
	ctx := context.Background()

	c, err := client.New(url, token)
	if err != nil {
		log.Fatal(err)
	}
	provider, err := c.CreateProvider(ctx, client.ProviderCreate{
		Name:        "Production Azure",
		Type:        client.ProviderTypeNameAzureOpenAI,
		Credentials: client.AzureOpenAICredentials{APIKey: "your-api-key"},
		Config:      client.AzureOpenAIConfig{BaseURL: "https://my-resource.openai.azure.com", APIVersion: "2024-10-21"},
		Models: []client.ModelCreate{{
			ModelID:         "gpt-4o-prod",
			SupportedStages: []client.StageName{client.StageNamePlanning, client.StageNameToolCall},
		}},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(provider.Name, "is", provider.Status, "with", provider.ModelCount, "model")

	// Replace the key, unless somebody else has edited the provider meanwhile.
	provider, err = c.UpdateProvider(ctx, provider.ID, client.ProviderUpdate{
		Credentials: client.AzureOpenAICredentials{APIKey: "your-new-api-key"},
		Version:     provider.Version,
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("version", provider.Version)
	// Output:
	// Production Azure is active with 1 model
	// version 2
}

func ExampleClient_ListModels() {
	url, token, stop := demo()
	defer stop()
	c, err := client.New(url, token)
	if err != nil {
		log.Fatal(err)
	}
	for model, err := range c.ListModels(context.Background(), client.ListModelsParams{
		Stage:     client.StageNamePlanning,
		Available: new(true),
	}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(model.ProviderName, "offers", model.DisplayName)
	}
	// Output: Demo (simulated, not a real model) offers Demo model
}

func ExampleClient_StreamTestModel() {
	url, token, stop := demo()
	defer stop()
	ctx := context.Background()
	c, err := client.New(url, token)
	if err != nil {
		log.Fatal(err)
	}
	models, err := c.ListModelsPage(ctx, client.ListModelsParams{Limit: 1})
	if err != nil {
		log.Fatal(err)
	}
	stream, err := c.StreamTestModel(ctx, models.Data[0].ID, client.TestRequest{Prompt: "Hello"})
	if err != nil {
		log.Fatal(err)
	}
	for delta := range stream.Events() {
		fmt.Print(delta.Text)
	}
	result, err := stream.Result()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println()
	if result.Status == client.TestStatusFailed {
		fmt.Println(result.Error.Kind, result.Error.Message, result.Error.Hint)
	}
	// Output: This is a simulated answer, not that of a real model. You wrote: Hello
}

func ExampleProblem() {
	url, token, stop := demo()
	defer stop()
	c, err := client.New(url, token)
	if err != nil {
		log.Fatal(err)
	}
	_, err = c.CreateProvider(context.Background(), client.ProviderCreate{
		Name:        "Production OpenAI",
		Type:        client.ProviderTypeNameOpenAI,
		Credentials: client.OpenAICredentials{},
	})
	if errors.Is(err, client.ProblemCodeNameTaken) {
		return // it was created before
	}
	var problem *client.Problem
	if errors.As(err, &problem) {
		fmt.Println(problem.Status, problem.Code)
		for _, field := range problem.Errors {
			fmt.Println(field.Field, field.Message)
		}
	}
	// Output:
	// 422 validation_failed
	// credentials.api_key is required
}
