// Uses of the client that must compile.

import { createClient, ProblemError, stream, streamChanges, type Schemas } from '../src/client.js';

const api = createClient({ baseUrl: 'https://models.example.com', token: 'mp_…' });

// Each type of provider with its own settings.
const openAI: Schemas['ProviderCreate'] = {
  type: 'openai',
  name: 'Production OpenAI',
  credentials: { api_key: 'sk-…' },
  models: [{ model_id: 'gpt-4-turbo', supported_stages: ['planning', 'tool_call'] }],
};
const azure: Schemas['ProviderCreate'] = {
  type: 'azure_openai',
  name: 'Azure',
  credentials: { api_key: '…' },
  config: { base_url: 'https://my-resource.openai.azure.com', api_version: '2024-10-21' },
};
const vertex: Schemas['ProviderCreate'] = {
  type: 'gcp_vertex_ai',
  name: 'Vertex',
  credentials: { service_account_json: { type: 'service_account' } },
  config: { project: 'my-project', region: 'global' },
};
const gateway: Schemas['ProviderCreate'] = {
  type: 'custom',
  name: 'Gateway',
  credentials: { headers: { 'X-Team': '…' } },
  config: { base_url: 'https://llm.example.com' },
};

for (const body of [openAI, azure, vertex, gateway]) {
  const { data, error } = await api.POST('/providers', { body, headers: { 'Idempotency-Key': 'a' } });
  if (error) {
    const fields: string[] = (error.errors ?? []).map((fault) => `${fault.field}: ${fault.message}`);
    throw new Error(fields.join('\n'));
  }
  const status: 'active' | 'inactive' | 'error' = data.status;
  const masked: string | undefined = data.credentials['api_key']?.masked;
}

const { data: page } = await api.GET('/providers', { params: { query: { type: 'openai', limit: 50 } } });
const next: string | null | undefined = page?.next_cursor;

await api.PATCH('/providers/{id}', {
  params: { path: { id: 'a' }, header: { 'If-Match': '"3"' } },
  body: { status: 'inactive', credentials: { api_key: '' } },
});
await api.PATCH('/providers/{id}', {
  params: { path: { id: 'a' } },
  body: { credentials: { api_key: { set: false }, headers: { 'X-Team': '' } } },
});
const { data: clone } = await api.POST('/providers/{id}/clone', { params: { path: { id: 'a' } }, body: { name: 'b' } });
const original: string | null | undefined = clone?.cloned_from;
const team: boolean | undefined = clone?.credentials.headers?.['x-team']?.set;

// A test as one answer.
const { data: result } = await api.POST('/models/{id}/test', { params: { path: { id: 'a' } }, body: { prompt: 'Hi' } });
if (result?.status === 'failed') {
  console.log(result.error?.kind === 'authentication', result.error?.hint);
}

// A test as a stream.
try {
  const path = { id: 'a' };
  for await (const event of stream(api, '/models/{id}/test', { params: { path }, body: { prompt: 'Hi' } })) {
    switch (event.event) {
      case 'delta':
        console.log(event.data.text.length);
        break;
      case 'result':
        console.log(event.data.status, event.data.latency_ms);
        break;
      case 'error':
        console.log(event.data.code, event.data.request_id);
        break;
      default:
        event satisfies never;
    }
  }
} catch (error) {
  if (error instanceof ProblemError) {
    console.log(error.problem.code);
  }
}

// Several tests as a stream.
for await (const event of stream(api, '/providers/{id}/test-models', { params: { path: { id: 'a' } }, body: { prompt: 'Hi' } })) {
  if (event.event === 'result') {
    console.log(event.data.model_id, event.data.status === 'skipped', event.data.result?.latency_ms);
  } else if (event.event === 'summary') {
    console.log(event.data.failed);
  }
}

// Checks of the stages of a model as a stream, and the models that passed.
for await (const event of stream(api, '/models/{id}/verify', { params: { path: { id: 'a' } }, body: { stages: ['planning'] } })) {
  if (event.event === 'check') {
    console.log(event.data.stage === 'planning', event.data.status === 'passed', event.data.detail, event.data.error?.kind);
  } else if (event.event === 'result') {
    console.log(event.data.results.length, event.data.verified_at);
  }
}
const { data: verified } = await api.GET('/models', { params: { query: { stage: 'tool_call', verified: true } } });
console.log(verified?.data[0]?.stage_checks['tool_call']?.status === 'passed');

// Changes, from a cursor of the present end.
const { data: start } = await api.GET('/changes');
const { data: waited } = await api.GET('/changes', { params: { query: { after: start?.next_cursor ?? '', wait: '30s' } } });
for await (const change of streamChanges(api, waited?.next_cursor ?? '', { signal: new AbortController().signal })) {
  console.log(change.resource === 'model', change.action === 'deleted', change.provider_id);
}
