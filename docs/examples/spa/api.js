// The calls to the API. Each function is one call.

import { readEvents } from './events.js';

/**
 * @import { AvailableModels, CheckResult, Draft, ListProviders, Me, ModelsTestEvent, Problem, Provider, ProviderList, ProviderTypeList, StageList, TestEvent, VerifyEvent } from './types'
 * @typedef {{method?: string, query?: Record<string, string | number | boolean | undefined>, body?: unknown,
 *   headers?: Record<string, string>, signal?: AbortSignal}} Options
 */

/** A refusal by the API (a problem document), or a failure to reach it. */
export class APIError extends Error {
  /**
   * @param {Partial<Problem>} problem
   * @param {number} [retryAfter] seconds
   */
  constructor(problem, retryAfter) {
    super(problem.detail ?? 'Something went wrong.');
    this.status = problem.status ?? 0;
    this.code = problem.code ?? 'unreachable';
    this.fields = problem.errors ?? [];
    this.upstream = problem.upstream;
    this.references = problem.references ?? [];
    this.referenceCount = problem.reference_count ?? 0;
    this.requestID = problem.request_id ?? '';
    this.retryAfter = retryAfter ?? 0;
  }
}

export class API {
  /**
   * @param {URL} address of the API
   * @param {{token: string, renew: (error: Error) => Promise<void>}} session
   */
  constructor(address, session) {
    this.address = address.href.replace(/\/$/, '');
    this.session = session;
  }

  /** @returns {Promise<Me>} */
  me() {
    return this.json('/me');
  }

  /** @returns {Promise<ProviderTypeList>} */
  listProviderTypes() {
    return this.json('/provider-types');
  }

  /** @returns {Promise<StageList>} */
  listStages() {
    return this.json('/stages');
  }

  /**
   * @param {ListProviders} query
   * @param {AbortSignal} [signal]
   * @returns {Promise<ProviderList>}
   */
  listProviders(query, signal) {
    return this.json('/providers', { query: { ...query }, signal });
  }

  /**
   * @param {string} id
   * @returns {Promise<Provider>}
   */
  getProvider(id) {
    return this.json(`/providers/${id}`);
  }

  /**
   * @param {object} body
   * @param {string} key so that a repeated request creates nothing twice
   * @returns {Promise<Provider>}
   */
  createProvider(body, key) {
    return this.json('/providers', { method: 'POST', body, headers: { 'Idempotency-Key': key } });
  }

  /**
   * @param {string} id
   * @param {string} name of the clone
   * @param {string} key so that a repeated request creates nothing twice
   * @returns {Promise<Provider>}
   */
  cloneProvider(id, name, key) {
    return this.json(`/providers/${id}/clone`, {
      method: 'POST',
      body: { name },
      headers: { 'Idempotency-Key': key },
    });
  }

  /**
   * @param {string} id
   * @param {object} body the changed fields
   * @param {number} [version] the version that the changes were made to
   * @param {boolean} [force] even if models are in use
   * @returns {Promise<Provider>}
   */
  updateProvider(id, body, version, force) {
    return this.json(`/providers/${id}`, {
      method: 'PATCH',
      body,
      headers: match(version),
      query: forced(force),
    });
  }

  /**
   * @param {string} id
   * @param {number} version
   * @param {boolean} [force] even if models are in use
   */
  async deleteProvider(id, version, force) {
    await this.send(`/providers/${id}`, { method: 'DELETE', headers: match(version), query: forced(force) });
  }

  /**
   * @param {string} id
   * @param {string} field
   * @param {string} [reason]
   * @returns {Promise<{field: string, value: string}>}
   */
  revealCredential(id, field, reason) {
    const body = reason ? { reason } : undefined;
    return this.json(`/providers/${id}/credentials/${encodeURIComponent(field)}/reveal`, {
      method: 'POST',
      body,
    });
  }

  /**
   * Checks the connection with saved or unsaved settings.
   *
   * @param {string} path of the provider or the provider type
   * @param {Draft | null} draft null: what is stored
   * @returns {Promise<CheckResult>}
   */
  check(path, draft) {
    return this.json(`${path}/check`, { method: 'POST', body: draft ?? undefined });
  }

  /**
   * Lists the models that saved or unsaved settings give access to.
   *
   * @param {string} path of the provider or the provider type
   * @param {Draft | null} draft null: what is stored
   * @param {string} [q]
   * @returns {Promise<AvailableModels>}
   */
  listAvailableModels(path, draft, q) {
    const query = { q: q || undefined };
    return draft
      ? this.json(`${path}/available-models`, { method: 'POST', query, body: draft })
      : this.json(`${path}/available-models`, { query });
  }

  /**
   * Sends a prompt and yields the answer as it arrives, then the result.
   *
   * @param {string} path of the model, the provider or the provider type
   * @param {object} body
   * @param {AbortSignal} signal ends the test
   * @returns {AsyncGenerator<TestEvent>}
   */
  test(path, body, signal) {
    return this.stream(`${path}/test`, body, signal, 'result');
  }

  /**
   * Sends a prompt to all enabled models of a provider, and yields each result and
   * a summary.
   *
   * @param {string} id
   * @param {object} body
   * @param {AbortSignal} signal ends the tests
   * @returns {AsyncGenerator<ModelsTestEvent>}
   */
  testModels(id, body, signal) {
    return this.stream(`/providers/${id}/test-models`, body, signal, 'summary');
  }

  /**
   * Checks whether a model does what its stages need, and yields each check and the
   * result.
   *
   * @param {string} id
   * @param {AbortSignal} signal ends the checks
   * @returns {AsyncGenerator<VerifyEvent>}
   */
  verify(id, signal) {
    return this.stream(`/models/${id}/verify`, {}, signal, 'result');
  }

  /**
   * Yields the events of a call.
   *
   * @param {string} path
   * @param {object} body
   * @param {AbortSignal} signal
   * @param {string} last the event that ends the stream
   * @returns {AsyncGenerator<any>}
   */
  async *stream(path, body, signal, last) {
    const response = await this.send(path, {
      method: 'POST',
      body,
      signal,
      headers: { Accept: 'text/event-stream' },
    });
    try {
      for await (const { event, data } of readEvents(
        /** @type {ReadableStream<Uint8Array>} */ (response.body),
      )) {
        if (event === 'error') {
          throw new APIError(data);
        }
        yield { event, data };
        if (event === last) {
          return;
        }
      }
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof APIError) {
        throw error;
      }
    }
    throw new APIError({ detail: 'The connection broke before the answer was complete. Try again.' });
  }

  /**
   * @param {string} path
   * @param {Options} [options]
   */
  async json(path, options) {
    const response = await this.send(path, options);
    try {
      return await response.json();
    } catch {
      options?.signal?.throwIfAborted();
      throw new APIError({ detail: 'The answer is incomplete, or is not from the service. Try again.' });
    }
  }

  /**
   * Sends a request. If the session has ended, it waits until the user has signed
   * in again, and repeats the request.
   *
   * @param {string} path
   * @param {Options} [options]
   * @returns {Promise<Response>}
   */
  async send(path, options = {}) {
    const response = await this.fetch(path, options);
    if (response.ok) {
      return response;
    }
    const error = await readProblem(response);
    if (error.status !== 401) {
      throw error;
    }
    await this.session.renew(error);
    return this.send(path, options);
  }

  /**
   * @param {string} path
   * @param {Options} options
   */
  async fetch(path, { method, query = {}, body, headers = {}, signal }) {
    const url = new URL(this.address + path);
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) {
        url.searchParams.set(name, String(value));
      }
    }
    /** @type {Record<string, string>} */
    const all = { Accept: 'application/json', ...headers };
    if (body !== undefined) {
      all['Content-Type'] = 'application/json';
    }
    if (this.session.token) {
      all.Authorization = `Bearer ${this.session.token}`;
    }
    try {
      return await fetch(url, {
        method,
        signal,
        headers: all,
        body: JSON.stringify(body),
        cache: 'no-store',
        credentials: 'omit',
      });
    } catch (error) {
      signal?.throwIfAborted();
      throw new APIError({ detail: 'The service can’t be reached. Check your connection and try again.' });
    }
  }
}

/** @param {number | undefined} version */
function match(version) {
  /** @type {Record<string, string>} */
  const headers = version === undefined ? {} : { 'If-Match': `"${version}"` };
  return headers;
}

/** @param {boolean | undefined} force */
function forced(force) {
  return { force: force || undefined };
}

/** @param {Response} response */
async function readProblem(response) {
  const retryAfter = Number(response.headers.get('Retry-After')) || undefined;
  try {
    return new APIError(await response.json(), retryAfter);
  } catch {
    return new APIError(
      { status: response.status, detail: `The service answered with status ${response.status}.` },
      retryAfter,
    );
  }
}

/** Makes a key for an Idempotency-Key header, or a random state. */
export function randomKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(32));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
