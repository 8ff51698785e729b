// Following the changes of a workspace.

import type { ModelProviders, Schemas } from './client.js';
import { ProblemError, receive, type Started } from './events.js';

/** The service sends a comment after 10 silent seconds. A connection that is silent for longer is broken. */
const maxSilence = 60_000;

/**
 * Yields the changes of the workspace after a cursor as they happen. If the connection breaks or
 * the service is away, it connects again and continues, without losing or repeating a change.
 * Throws a ProblemError if the service refuses the request. Its code `gone` means that the
 * changes after the cursor are not stored any more: read the lists again, and begin at a new
 * cursor. `signal` ends it.
 */
export async function* streamChanges(
  api: ModelProviders,
  after: string,
  options: { signal?: AbortSignal } = {},
): AsyncGenerator<Schemas['Change'], void, undefined> {
  const get = api.GET as (path: '/changes', options: object) => Promise<Started>;
  for (let failures = 0; ; failures++) {
    const silent = new AbortController();
    const signal = AbortSignal.any(options.signal ? [options.signal, silent.signal] : [silent.signal]);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const heard = () => {
      clearTimeout(timer);
      timer = setTimeout(() => silent.abort(), maxSilence);
    };
    heard();
    const request = { signal, params: { query: { after } }, parseAs: 'stream', headers: { Accept: 'text/event-stream' } };
    try {
      for await (const { event, data } of receive(get('/changes', request), heard)) {
        failures = 0;
        if (event === 'change') {
          const change = data as Schemas['Change'];
          after = change.cursor;
          yield change;
        } else if (event === 'reset') {
          throw new ProblemError(gone);
        } else if (event === 'error') {
          throw new ProblemError(data as Schemas['Problem']);
        }
      }
    } catch (error) {
      const refused = error instanceof ProblemError && error.problem.status < 500 && error.problem.status !== 429;
      if (refused || options.signal?.aborted) {
        throw error;
      }
    } finally {
      clearTimeout(timer);
    }
    const wait = 200 * 2 ** Math.min(failures, 5);
    await new Promise((done) => setTimeout(done, wait * (0.5 + Math.random() / 2)));
    options.signal?.throwIfAborted();
  }
}

const gone: Schemas['Problem'] = {
  type: 'urn:modelproviders:problem:gone',
  title: 'Gone',
  status: 410,
  detail: 'The changes after the cursor are not stored any more.',
  instance: '/changes',
  code: 'gone',
  request_id: '',
};
