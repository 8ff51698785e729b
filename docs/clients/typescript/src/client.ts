// Typed client of the modelproviders API. schema.ts is generated from openapi.yaml by
// npm run build.

import createFetchClient, { mergeHeaders, type Client, type ClientOptions, type FetchOptions } from 'openapi-fetch';
import { EventSourceParserStream } from 'eventsource-parser/stream';
import type { components, paths } from './schema.js';

export type { components, operations, paths } from './schema.js';

/** The schemas of the API by name, such as `Schemas['Provider']`. */
export type Schemas = components['schemas'];

/**
 * The client of a service: `api.GET('/providers')` and so on. Its answers are JSON;
 * `stream` is for the others.
 */
export type ModelProviders = Client<paths, `application/${string}`>;

/** Makes a client that sends a token. */
export function createClient(options: ClientOptions & { baseUrl: string; token: string }): ModelProviders {
  const { token, ...rest } = options;
  const api = createFetchClient<paths, `application/${string}`>(rest);
  api.use({
    onRequest({ request }) {
      request.headers.set('Authorization', `Bearer ${token}`);
    },
  });
  return api;
}

/** The operations that can answer with server-sent events. */
export type StreamPath = {
  [P in keyof paths]: paths[P] extends Streaming<unknown> ? P : never;
}[keyof paths];

/** The events of such an operation. */
export type StreamEvent<P extends StreamPath> = paths[P] extends Streaming<infer Event> ? Event : never;

interface Streaming<Event> {
  post: { responses: { 200: { content: { 'text/event-stream': Event } } } };
}

/** An error response of the service. */
export class ProblemError extends Error {
  constructor(readonly problem: Schemas['Problem']) {
    super(problem.detail);
    this.name = 'ProblemError';
  }
}

/**
 * Runs one or several tests and yields its events as they arrive. Leaving the loop, or aborting
 * `signal`, cancels the test. Throws a ProblemError if the service refuses the
 * request, and an Error if the connection breaks before the last event.
 */
export async function* stream<P extends StreamPath>(
  api: ModelProviders,
  path: P,
  options: FetchOptions<paths[P]['post']>,
): AsyncGenerator<StreamEvent<P>, void, undefined> {
  const post = api.POST as (path: P, options: object) => Promise<Started>;
  const headers = mergeHeaders(options.headers, { Accept: 'text/event-stream' });
  const { data, error } = await post(path, { ...options, parseAs: 'stream', headers });
  if (error) {
    throw new ProblemError(error);
  }
  const events = data.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream()).getReader();
  let last: string | undefined;
  try {
    for (let next = await events.read(); !next.done; next = await events.read()) {
      last = next.value.event;
      yield { event: last, data: JSON.parse(next.value.data) } as StreamEvent<P>;
    }
  } finally {
    await events.cancel();
  }
  const end = path.endsWith('/test-models') ? 'summary' : 'result';
  if (last !== end && last !== 'error') {
    throw new Error(`The stream ended before its ${end}.`);
  }
}

type Started = { data: ReadableStream<BufferSource>; error?: never } | { data?: never; error: Schemas['Problem'] };
