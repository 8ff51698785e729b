// Reading server-sent events.

import { EventSourceParserStream } from 'eventsource-parser/stream';
import type { Schemas } from './client.js';

/** An error response of the service. */
export class ProblemError extends Error {
  constructor(readonly problem: Schemas['Problem']) {
    super(problem.detail);
    this.name = 'ProblemError';
  }
}

/** Yields the events of a response. Calls `heard` when anything arrives, comments too. */
export async function* receive(
  started: Promise<Started>,
  heard = () => {},
): AsyncGenerator<{ event?: string | undefined; data: unknown }> {
  const { data, error } = await started;
  if (error) {
    throw new ProblemError(error);
  }
  const watched = new TransformStream<string, string>({
    transform(chunk, next) {
      heard();
      next.enqueue(chunk);
    },
  });
  const text = data.pipeThrough(new TextDecoderStream()).pipeThrough(watched);
  const events = text.pipeThrough(new EventSourceParserStream()).getReader();
  try {
    for (let next = await events.read(); !next.done; next = await events.read()) {
      yield { event: next.value.event, data: JSON.parse(next.value.data) };
    }
  } finally {
    await events.cancel();
  }
}

/** A response whose body is events, or a problem. */
export type Started = { data: ReadableStream<BufferSource>; error?: never } | { data?: never; error: Schemas['Problem'] };
