// Mistakes that must not compile. tsc reports a directive without an error below it.

import { createClient, stream, streamChanges, type Schemas } from '../src/client.js';

// @ts-expect-error: a client needs a token
createClient({ baseUrl: 'https://models.example.com' });
const api = createClient({ baseUrl: 'https://models.example.com', token: 'mp_…' });

const key = { api_key: 'sk-…' };
const base_url = 'https://my-resource.openai.azure.com';

// @ts-expect-error: OpenAI has no base URL
const settingsOfAnotherType: Schemas['ProviderCreate'] = { type: 'openai', name: 'a', credentials: key, config: { base_url } };
// @ts-expect-error: Azure needs an API version
const withoutSetting: Schemas['ProviderCreate'] = { type: 'azure_openai', name: 'a', credentials: key, config: { base_url } };
// @ts-expect-error: Bedrock has two credentials
const withoutCredential: Schemas['ProviderCreate'] = { type: 'aws_bedrock', name: 'a', credentials: { access_key_id: 'A' }, config: { region: 'us-east-1' } };
// @ts-expect-error: there is no such type
const unknownType: Schemas['ProviderCreate'] = { type: 'azure', name: 'a', credentials: key };
// @ts-expect-error: headers are texts
const wrongHeader: Schemas['ProviderCreate'] = { type: 'custom', name: 'a', credentials: { headers: { 'X-Team': 1 } }, config: { base_url } };
// @ts-expect-error: a provider has a name
const withoutName: Schemas['ProviderCreate'] = { type: 'openai', credentials: key };
// @ts-expect-error: there is no such stage
const unknownStage: Schemas['ModelCreate'] = { model_id: 'a', supported_stages: ['plan'] };
// @ts-expect-error: the server decides whether a test succeeded
const unknownField: Schemas['ModelCreate'] = { model_id: 'a', supported_stages: ['planning'], last_test: null };

// @ts-expect-error: there is no such path
await api.GET('/provider', {});
// @ts-expect-error: providers are not replaced
await api.PUT('/providers/{id}', {});
// @ts-expect-error: the id is missing
await api.GET('/providers/{id}');
// @ts-expect-error: there is no such filter
await api.GET('/providers', { params: { query: { name_contains: 'a' } } });
// @ts-expect-error: there is no such status
await api.PATCH('/providers/{id}', { params: { path: { id: 'a' } }, body: { status: 'off' } });

const { data: provider, error } = await api.GET('/providers/{id}', { params: { path: { id: 'a' } } });
// @ts-expect-error: the provider may be missing
console.log(provider.name);
if (provider) {
  // @ts-expect-error: credentials are never answered
  console.log(provider.credentials['api_key']?.value);
  // @ts-expect-error: there is no such status
  console.log(provider.status === 'disabled');
  // @ts-expect-error: a provider without an error has none
  console.log(provider.error.message);
}
// @ts-expect-error: errors are problem documents
console.log(error?.message);

const params = { path: { id: 'a' } };
// @ts-expect-error: a clone needs a name
await api.POST('/providers/{id}/clone', { params, body: {} });
const { data: result } = await api.POST('/models/{id}/test', { params, body: { prompt: 'Hi' } });
// @ts-expect-error: without a stream, the answer is the result and no event
console.log(result?.event);
// @ts-expect-error: a test needs a prompt
await api.POST('/models/{id}/test', { params, body: {} });

// @ts-expect-error: a prompt is text
stream(api, '/models/{id}/test', { params, body: { prompt: 1 } });
// @ts-expect-error: the id is missing
stream(api, '/models/{id}/test', { body: { prompt: 'Hi' } });
// @ts-expect-error: this operation has no events
stream(api, '/tokens', { body: { name: 'a', role: 'viewer' } });

for await (const event of stream(api, '/models/{id}/test', { params, body: { prompt: 'Hi' } })) {
  // @ts-expect-error: only deltas have a text
  console.log(event.data.text);
  // @ts-expect-error: there is no such event
  console.log(event.event === 'done');
  if (event.event === 'delta') {
    // @ts-expect-error: the status is in the result
    console.log(event.data.status);
  }
}

// @ts-expect-error: a stream of changes begins at a cursor
streamChanges(api);
for await (const change of streamChanges(api, 'a')) {
  // @ts-expect-error: a change does not say what it was
  console.log(change.name);
}
