/** Bodies that come line by line. */
import { DroverError } from '../../model/errors.ts';
import type { LiveEvent } from '../events/event.ts';
import { serverProblem } from './problem.ts';
import type { components } from './types.ts';

/** Longer lines are no JSON of ours. */
const LINE_CHARACTERS_MAX = 16 * 1024 * 1024;

/**
 * What comes until the signal; then its reason is thrown, also out of a read that waits. A `fetch` of a Request forgets
 * the signal once the Request is collected as garbage: a body that goes on for minutes would never be let go.
 */
export async function* untilAborted(
  body: ReadableStream<Uint8Array>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  const stop = () => void reader.cancel().catch(() => undefined);
  signal?.addEventListener('abort', stop, { once: true });
  if (signal?.aborted === true) stop();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      signal?.throwIfAborted();
      if (done) return;
      yield value;
    }
  } finally {
    signal?.removeEventListener('abort', stop);
    stop();
  }
}

async function* textLines(body: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of body) {
    rest += decoder.decode(chunk, { stream: true });
    if (rest.length > LINE_CHARACTERS_MAX)
      throw new DroverError('EXTRA_BYTES', 'The answer of the server has no lines.');
    const lines = rest.split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
  if (rest !== '') yield rest;
}

/** One value per line; a last line `{"problem": …}` is what went wrong in the middle. */
export async function* jsonLines<T>(body: AsyncIterable<Uint8Array>): AsyncIterable<T> {
  for await (const line of textLines(body)) {
    if (line === '') continue;
    const value = JSON.parse(line) as { problem?: components['schemas']['Problem'] } | null;
    if (value?.problem !== undefined) throw serverProblem(value.problem, null);
    yield value as T;
  }
}

export interface ReceivedEvent {
  /** For `Last-Event-ID`; `null` when the event has none. */
  readonly id: string | null;
  readonly event: LiveEvent;
}

/** Server-sent events; comments are skipped. */
export async function* serverEvents(body: AsyncIterable<Uint8Array>): AsyncGenerator<ReceivedEvent> {
  let id: string | null = null;
  let content = '';
  for await (const raw of textLines(body)) {
    const line = raw.endsWith('\r') ? raw.slice(0, -1) : raw;
    if (line === '') {
      if (content !== '') yield { id, event: JSON.parse(content) as LiveEvent };
      content = '';
    } else if (line.startsWith('id:')) {
      id = line.slice(3).trim();
    } else if (line.startsWith('data:')) {
      content += line.slice(5).trimStart();
    }
  }
}
