/** How long a right holds: until the answer, however long the way to it. And how often anybody may have us look around. */
import type { FastifyRequest } from 'fastify';
import { DroverError } from '../model/errors.ts';
import type { Caller } from './guards.ts';
import type { Route } from './routes/route.ts';
import type { ApiWorld, ReadyReport } from './world.ts';

/** So often, while lines go out, it is asked whether whoever reads them may still. */
const LOOK_EVERY_MS = 5_000;
/** So long a look at whether it is ready holds. */
const READY_MS = 1_000;

/** A body may come as slowly as it likes, also an empty one, and whoever sends it may have been shut out meanwhile. */
export async function refuseShutOut(route: Route, caller: Caller, { headers }: FastifyRequest): Promise<void> {
  const isAwaited = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
  if (route.right !== 'open' && isAwaited && !(await caller.stillThere())) throw shutOut();
}

/** Many lines and large files may take hours: they end with the right to them. */
export function lasting<T>(
  { clock }: Pick<ApiWorld, 'clock'>,
  caller: Caller,
  values: AsyncIterable<T>,
): AsyncIterable<T> {
  const iterator = values[Symbol.asyncIterator]();
  const end = async (): Promise<IteratorResult<T>> => {
    await iterator.return?.();
    return { done: true, value: undefined };
  };
  let lookedAtMs = clock.monotonic();
  const next = async (): Promise<IteratorResult<T>> => {
    if (clock.monotonic() - lookedAtMs >= LOOK_EVERY_MS) {
      if (!(await caller.stillThere().catch(() => true))) {
        await end();
        throw shutOut();
      }
      lookedAtMs = clock.monotonic();
    }
    return iterator.next();
  };
  return { [Symbol.asyncIterator]: () => ({ next, return: end }) };
}

function shutOut(): DroverError {
  return new DroverError('NOT_SIGNED_IN', 'The session or the token has ended, or its role has changed.');
}

/** Anybody may ask, and looking costs requests to the database and to where the artifacts are. */
export function sometimes({ clock, ready }: Pick<ApiWorld, 'clock' | 'ready'>): () => Promise<ReadyReport> {
  let last: { readonly atMs: number; readonly report: Promise<ReadyReport> } | null = null;
  return () => {
    if (last === null || clock.monotonic() - last.atMs >= READY_MS) {
      // Whatever fails while it looks is a reason not to be ready.
      last = { atMs: clock.monotonic(), report: ready().catch(() => ({ ready: false, parts: [] })) };
    }
    return last.report;
  };
}
