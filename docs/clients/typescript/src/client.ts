// Typed client of the modelproviders API. schema.ts is generated from openapi.yaml by
// npm run build.

import createFetchClient, { mergeHeaders, type Client, type ClientOptions, type FetchOptions } from 'openapi-fetch';
import { receive, type Started } from './events.js';
import type { components, paths } from './schema.js';

export type { components, operations, paths } from './schema.js';
export { streamChanges } from './changes.js';
export { ProblemError } from './events.js';

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
  let last: string | undefined;
  for await (const event of receive(post(path, { ...options, parseAs: 'stream', headers }))) {
    last = event.event;
    yield event as StreamEvent<P>;
  }
  const end = path.endsWith('/test-models') ? 'summary' : 'result';
  if (last !== end && last !== 'error') {
    throw new Error(`The stream ended before its ${end}.`);
  }
}
