package client

import "context"

// A test that fails is a result, not an error: see [TestResult.Status].

// TestModel sends a prompt to a model and returns what came of it.
func (c *Client) TestModel(ctx context.Context, id string, test TestRequest) (TestResult, error) {
	return send[TestResult](ctx, c, post(test, "models", id, "test"))
}

// StreamTestModel is [Client.TestModel] with the answer in pieces.
func (c *Client) StreamTestModel(ctx context.Context, id string, test TestRequest) (*TestStream, error) {
	return streamTest(ctx, c, post(test, "models", id, "test"))
}

// TestModels sends a prompt to several models of a provider.
func (c *Client) TestModels(ctx context.Context, providerID string, test ModelsTestRequest) (ModelsTestResults, error) {
	return send[ModelsTestResults](ctx, c, post(test, "providers", providerID, "test-models"))
}

// StreamTestModels is [Client.TestModels] with each model's result as soon as it is there.
func (c *Client) StreamTestModels(ctx context.Context, providerID string, test ModelsTestRequest) (*ModelsTestStream, error) {
	request := post(test, "providers", providerID, "test-models")
	return stream[ModelTestResult, ModelsTestSummary](ctx, c, request, "result", "summary")
}

// VerifyModel checks stages of a model, and returns what came of it.
func (c *Client) VerifyModel(ctx context.Context, id string, verify VerifyRequest) (Verification, error) {
	return send[Verification](ctx, c, post(verify, "models", id, "verify"))
}

// StreamVerifyModel is [Client.VerifyModel] with each stage's result as soon as it is there.
func (c *Client) StreamVerifyModel(ctx context.Context, id string, verify VerifyRequest) (*VerificationStream, error) {
	return stream[StageResult, Verification](ctx, c, post(verify, "models", id, "verify"), "check", "result")
}

// TestProvider tests changes of a provider before they are saved.
func (c *Client) TestProvider(ctx context.Context, providerID string, test EditTestRequest) (TestResult, error) {
	return send[TestResult](ctx, c, post(test, "providers", providerID, "test"))
}

// StreamTestProvider is [Client.TestProvider] with the answer in pieces.
func (c *Client) StreamTestProvider(ctx context.Context, providerID string, test EditTestRequest) (*TestStream, error) {
	return streamTest(ctx, c, post(test, "providers", providerID, "test"))
}

// TestProviderType tests settings of a provider type before a provider is created.
func (c *Client) TestProviderType(ctx context.Context, providerType ProviderTypeName, test DraftTestRequest) (TestResult, error) {
	return send[TestResult](ctx, c, post(test, "provider-types", string(providerType), "test"))
}

// StreamTestProviderType is [Client.TestProviderType] with the answer in pieces.
func (c *Client) StreamTestProviderType(ctx context.Context, providerType ProviderTypeName, test DraftTestRequest) (*TestStream, error) {
	return streamTest(ctx, c, post(test, "provider-types", string(providerType), "test"))
}

func streamTest(ctx context.Context, c *Client, r request) (*TestStream, error) {
	return stream[TestDelta, TestResult](ctx, c, r, "delta", "result")
}
