// Tests of the client against a running service: MODELPROVIDERS_URL,
// MODELPROVIDERS_TOKEN, and OPENAI_API_KEY, a key that its upstream accepts. The Go
// test in this folder starts them.

import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { createClient, ProblemError, stream, streamChanges } from '../dist/client.js';

const { MODELPROVIDERS_URL: baseUrl, MODELPROVIDERS_TOKEN: token, OPENAI_API_KEY: apiKey } = process.env;
const api = createClient({ baseUrl, token });
let model;

before(async () => {
  const { data, error } = await api.POST('/providers', {
    body: {
      type: 'openai',
      name: 'From TypeScript',
      credentials: { api_key: apiKey },
      models: [{ model_id: 'gpt-4-turbo', supported_stages: ['planning'] }],
    },
  });
  assert.equal(error, undefined);
  model = data.models[0];
});

const request = () => ({ params: { path: { id: model.id } }, body: { prompt: 'Hi' } });

test('lists and edits', async () => {
  const { data } = await api.GET('/models', { params: { query: { provider_type: 'openai' } } });
  assert.equal(data.data[0].id, model.id);
  const { response } = await api.PATCH('/providers/{id}/models/{model}', {
    params: { path: { id: model.provider_id, model: model.id }, header: { 'If-Match': '"99"' } },
    body: { display_name: 'Renamed' },
  });
  assert.equal(response.status, 412);
});

test('returns problem documents', async () => {
  const { data, error } = await api.POST('/providers', { body: { type: 'openai', name: '', credentials: {} } });
  assert.equal(data, undefined);
  assert.deepEqual(error.errors.map((fault) => fault.field).sort(), ['credentials.api_key', 'name']);
});

test('runs a test', async () => {
  const { data } = await api.POST('/models/{id}/test', request());
  assert.equal(data.status, 'success');
});

test('streams a test', async () => {
  const events = [];
  for await (const event of stream(api, '/models/{id}/test', request())) {
    events.push(event);
  }
  const deltas = events.slice(0, -1);
  assert.ok(deltas.length > 1 && deltas.every((event) => event.event === 'delta'));
  const last = events.at(-1);
  assert.equal(last.event, 'result');
  assert.equal(last.data.status, 'success');
  assert.equal(deltas.map((event) => event.data.text).join(''), last.data.response);
});

test('a stream sends headers of the caller', async () => {
  let sent;
  const recording = createClient({
    baseUrl,
    token,
    async fetch({ headers }) {
      sent = headers;
      return new Response('event: result\ndata: {}\n\n', { headers: { 'Content-Type': 'text/event-stream' } });
    },
  });
  await stream(recording, '/models/{id}/test', { ...request(), headers: { 'X-Request-Id': 'mine' } }).next();
  assert.equal(sent.get('X-Request-Id'), 'mine');
  assert.equal(sent.get('Accept'), 'text/event-stream');
});

test('throws the problem if a test is refused', async () => {
  const unknown = { params: { path: { id: crypto.randomUUID() } }, body: { prompt: 'Hi' } };
  await assert.rejects(stream(api, '/models/{id}/test', unknown).next(), (error) => {
    assert.ok(error instanceof ProblemError);
    assert.equal(error.problem.code, 'not_found');
    return true;
  });
});

// endless is a service whose model never stops. `canceled` resolves when the client
// has gone.
function endless() {
  const service = {};
  service.canceled = new Promise((resolve) => {
    service.cancel = resolve;
  });
  service.api = createClient({
    baseUrl,
    token,
    async fetch({ signal }) {
      const body = new ReadableStream({
        start: (controller) => signal.addEventListener('abort', () => controller.error(signal.reason)),
        pull: (controller) => controller.enqueue(new TextEncoder().encode('event: delta\ndata: {"text":"a"}\n\n')),
        cancel: service.cancel,
      });
      return new Response(body, { headers: { 'Content-Type': 'text/event-stream' } });
    },
  });
  return service;
}

test('leaving the loop cancels the request', { timeout: 10_000 }, async () => {
  const service = endless();
  for await (const event of stream(service.api, '/models/{id}/test', request())) {
    assert.equal(event.event, 'delta');
    break;
  }
  await service.canceled;
});

test('a signal cancels the request', async () => {
  const cancel = new AbortController();
  await assert.rejects(async () => {
    for await (const event of stream(endless().api, '/models/{id}/test', { ...request(), signal: cancel.signal })) {
      assert.equal(event.data.text, 'a');
      cancel.abort();
    }
  }, { name: 'AbortError' });
});

/** @param {string} events */
function answering(events) {
  const fetch = async () => new Response(events, { headers: { 'Content-Type': 'text/event-stream' } });
  return createClient({ baseUrl, token, fetch });
}

test('a stream that breaks off is an error', async () => {
  const broken = answering('event: delta\ndata: {"text":"a"}\n\n');
  await assert.rejects(async () => {
    for await (const event of stream(broken, '/models/{id}/test', request())) {
      assert.equal(event.data.text, 'a');
    }
  }, /ended before its result/);
});

test('a stream of several tests ends with their summary', async () => {
  const result = 'event: result\ndata: {"status":"success"}\n\n';
  const several = (api) => stream(api, '/providers/{id}/test-models', { params: { path: { id: 'a' } }, body: { prompt: 'Hi' } });
  await assert.rejects(async () => {
    for await (const event of several(answering(result))) {
      assert.equal(event.event, 'result');
    }
  }, /ended before its summary/);
  const events = [];
  for await (const event of several(answering(result + 'event: summary\ndata: {}\n\n'))) {
    events.push(event.event);
  }
  assert.deepEqual(events, ['result', 'summary']);
});

test('streams changes', { timeout: 10_000 }, async () => {
  const { data: start } = await api.GET('/changes');
  const rename = (display_name) =>
    api.PATCH('/providers/{id}/models/{model}', {
      params: { path: { id: model.provider_id, model: model.id } },
      body: { display_name },
    });
  await rename('First');
  const versions = [];
  for await (const change of streamChanges(api, start.next_cursor)) {
    assert.deepEqual([change.resource, change.id, change.action], ['model', model.id, 'updated']);
    versions.push(change.version);
    if (versions.length === 2) {
      break;
    }
    await rename('Second');
  }
  assert.equal(versions[1], versions[0] + 1);
});

test('a stream of changes continues after the last one', { timeout: 10_000 }, async () => {
  const asked = [];
  const answers = [
    () => new Response('id: c0\n\nevent: change\nid: c1\ndata: {"cursor":"c1"}\n\n', { headers: { 'Content-Type': 'text/event-stream' } }),
    () => Promise.reject(new TypeError('fetch failed')),
    () => Response.json({ status: 503, code: 'unavailable' }, { status: 503 }),
    () => new Response('event: reset\nid: c9\ndata: {"next_cursor":"c9"}\n\n', { headers: { 'Content-Type': 'text/event-stream' } }),
  ];
  const service = createClient({
    baseUrl,
    token,
    fetch: async ({ url }) => answers[asked.push(new URL(url).searchParams.get('after')) - 1](),
  });
  const received = [];
  await assert.rejects(async () => {
    for await (const change of streamChanges(service, 'c0')) {
      received.push(change.cursor);
    }
  }, (error) => error instanceof ProblemError && error.problem.code === 'gone');
  assert.deepEqual(received, ['c1']);
  assert.deepEqual(asked, ['c0', 'c1', 'c1', 'c1']);
});

test('a stream of changes connects again if it is silent', { timeout: 10_000 }, async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const passing = setInterval(() => t.mock.timers.tick(1_000), 1);
  let asked = 0;
  const service = createClient({
    baseUrl,
    token,
    async fetch({ signal }) {
      if (asked++ > 0) {
        return Response.json({ status: 410, code: 'gone' }, { status: 410 });
      }
      const body = new ReadableStream({
        start: (controller) => signal.addEventListener('abort', () => controller.error(signal.reason)),
      });
      return new Response(body, { headers: { 'Content-Type': 'text/event-stream' } });
    },
  });
  await assert.rejects(streamChanges(service, 'c0').next(), ProblemError);
  clearInterval(passing);
  assert.equal(asked, 2);
});

test('a stream of changes ends if it is refused or aborted', { timeout: 10_000 }, async () => {
  await assert.rejects(streamChanges(api, 'bogus').next(), (error) => error.problem.status === 400);
  const { data: start } = await api.GET('/changes');
  const cancel = new AbortController();
  setTimeout(() => cancel.abort(), 50);
  await assert.rejects(streamChanges(api, start.next_cursor, { signal: cancel.signal }).next(), { name: 'AbortError' });
});
