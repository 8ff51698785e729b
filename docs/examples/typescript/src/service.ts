// What the examples share: the client, pages, errors and tables.

import { setTimeout as wait } from 'node:timers/promises';
import { createClient, ProblemError, type Schemas } from 'modelproviders-client';

process.on('uncaughtException', (error) => {
  console.error(explain(error));
  process.exit(1);
});

/** The value of an environment variable. */
export function env(name: string): string {
  const value = process.env[name];
  if (!value) {
    console.error(`${name} is not set`);
    process.exit(2);
  }
  return value;
}

export const api = createClient({
  baseUrl: env('MODELPROVIDERS_URL'),
  token: env('MODELPROVIDERS_TOKEN'),
  fetch: patient,
});

/** Is fetch, but repeats a request after 429 and 503, when Retry-After says. */
async function patient(request: Request): Promise<Response> {
  for (let attempt = 1; ; attempt++) {
    const response = await fetch(request.clone());
    const seconds = Number(response.headers.get('Retry-After') ?? 1);
    if (![429, 503].includes(response.status) || attempt === 5 || !(seconds <= 60)) {
      return response;
    }
    await wait(1000 * seconds + Math.random() * 200);
  }
}

/** Returns the data of an answer, or throws the problem. */
export function ok<T>({ data, error }: { data?: T; error?: Schemas['Problem'] }): T {
  if (error) {
    throw new ProblemError(error);
  }
  return data as T;
}

/** Yields the entries of all pages of a list. `get` requests the page at a cursor. */
export async function* pages<T>(
  get: (at: { limit: number; cursor?: string }) => Promise<{ data?: { data: T[]; next_cursor: string | null }; error?: Schemas['Problem'] }>,
): AsyncGenerator<T> {
  for (let cursor: string | null = ''; cursor !== null; ) {
    const page: { data: T[]; next_cursor: string | null } = ok(await get({ limit: 100, ...(cursor && { cursor }) }));
    yield* page.data;
    cursor = page.next_cursor;
  }
}

/** Says in one line what a problem is. */
export function explain(error: unknown): string {
  if (!(error instanceof ProblemError)) {
    return String(error);
  }
  const { detail, errors = [] } = error.problem;
  return [detail, ...errors.map((e) => `${e.field} ${e.message}.`)].join(' ');
}

/** Prints rows as a table; the first one has the titles. */
export function printTable(rows: string[][]): void {
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  for (const row of rows) {
    console.log(row.map((cell, i) => cell.padEnd(widths[i]!)).join('  ').trimEnd());
  }
}
