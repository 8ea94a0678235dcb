/**
 * The production wrappers: the same contract, with single requests retried. Content streams are not retried here (the
 * copy of the item is, from a fresh range); a listing that breaks goes on after the last entry it gave.
 */
import type {
  Lister,
  Page,
  Parts,
  ScanRange,
  ServerSideCopy,
  Source,
  Target,
  WriteBody,
} from '../contract/provider.ts';
import type { Clock, Random } from '../lib/world.ts';
import { retrying } from '../lib/retry.ts';
import { toDroverError, type DroverError } from '../model/errors.ts';
import { keyAfter } from '../model/key.ts';
import type { Denials, Need, SideName } from './denials.ts';
import { atSide, contentOf, noteSide } from './failure-facts.ts';
import { REQUEST_ATTEMPTS_MAX } from './limits.ts';

export interface RetryWorld {
  readonly clock: Clock;
  readonly random: Random;
  readonly onRetry?: ((error: DroverError) => void) | undefined;
  /** Told how requests went that need a right of their own. */
  readonly denials?: Denials;
}

interface Try {
  <T>(signal: AbortSignal, work: () => Promise<T>): Promise<T>;
  /** For what begins anew by itself. */
  readonly again: (error: DroverError) => void;
  readonly side: SideName;
}

function tryer({ clock, random, onRetry }: RetryWorld, side: SideName): Try {
  const options = { clock, random, attemptsMax: REQUEST_ATTEMPTS_MAX, ...(onRetry !== undefined && { onRetry }) };
  const attempt = <T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> =>
    atSide(side, () => retrying(work, { ...options, signal }));
  return Object.assign(attempt, { again: (error: DroverError) => onRetry?.(error), side });
}

type Watch = <T>(kind: string, need: Need, work: () => Promise<T>) => Promise<T>;

function watcher({ denials }: RetryWorld, side: SideName): Watch {
  return (kind, need, work) =>
    atSide(side, () => (denials === undefined ? work() : denials.watch(side, kind, need, work)));
}

function lister(inner: Lister & { readonly traits: { readonly seek: 'key' | 'none' } }, attempt: Try): Lister {
  return {
    scan: (range, signal) => resumingScan(inner, inner.traits.seek, range, signal, attempt),
    stat: (key, signal) => attempt(signal, () => inner.stat(key, signal)),
    describe: (entry, signal) => attempt(signal, () => inner.describe(entry, signal)),
  };
}

export function retryingSource(inner: Source, world: RetryWorld): Source {
  const attempt = tryer(world, 'source');
  const watch = watcher(world, 'source');
  const { facets } = inner;
  return {
    ...lister(inner, attempt),
    traits: inner.traits,
    facets: {
      ...facets,
      ...(facets.tags && {
        tags: { read: (entry, signal) => attempt(signal, () => facets.tags!.read(entry, signal)) },
      }),
      ...(facets.partSizes && {
        partSizes: { first: (entry, signal) => attempt(signal, () => facets.partSizes!.first(entry, signal)) },
      }),
      ...(facets.restore && {
        restore: {
          request: (entry, how, signal) => attempt(signal, () => facets.restore!.request(entry, how, signal)),
          status: (entry, signal) => attempt(signal, () => facets.restore!.status(entry, signal)),
        },
      }),
      ...(facets.references && {
        references: {
          of: (entry, lifetimeMs, signal) => attempt(signal, () => facets.references!.of(entry, lifetimeMs, signal)),
        },
      }),
    },
    read: async (entry, range, signal) => {
      const reading = await watch('read', 'read', () => attempt(signal, () => inner.read(entry, range, signal)));
      return { ...reading, body: contentOf('source', reading.body) };
    },
    [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
  };
}

export function retryingTarget(inner: Target, world: RetryWorld): Target {
  const attempt = tryer(world, 'target');
  const watch = watcher(world, 'target');
  const { facets } = inner;
  const ready = inner.ready?.bind(inner);
  const observe = inner.observe?.bind(inner);
  const sweep = inner.sweep?.bind(inner);
  return {
    ...lister(inner, attempt),
    // Learnt on the way, as what a store's ETags are worth.
    get traits() {
      return inner.traits;
    },
    facts: inner.facts,
    facets: {
      ...facets,
      ...(facets.parts && { parts: retryingParts(facets.parts, attempt, watch) }),
      ...(facets.removal && {
        removal: {
          remove: (entry, signal) =>
            watch('remove', 'delete', () => attempt(signal, () => facets.removal!.remove(entry, signal))),
        },
      }),
      ...(facets.properties && {
        properties: {
          replace: (entry, properties, signal) =>
            attempt(signal, () => facets.properties!.replace(entry, properties, signal)),
        },
      }),
      ...(facets.tags && {
        tags: { read: (entry, signal) => attempt(signal, () => facets.tags!.read(entry, signal)) },
      }),
      ...(facets.serverSideCopy && { serverSideCopy: asked(facets.serverSideCopy) }),
    },
    write: (key, body, options) =>
      watch('write', 'write', async () =>
        isRepeatable(body)
          ? attempt(options.signal, () => inner.write(key, body, options))
          : inner.write(key, body, options),
      ),
    ...(ready && { ready: (signal) => attempt(signal, () => ready(signal)) }),
    ...(observe && { observe: (signal, probing) => attempt(signal, () => observe(signal, probing)) }),
    ...(sweep && { sweep: (options, signal) => attempt(signal, () => sweep(options, signal)) }),
    [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
  };
}

function retryingParts(inner: Parts, attempt: Try, watch: Watch): Parts {
  return {
    limits: inner.limits,
    // A begin whose answer was lost may have begun: the journal of intents deals with that, not a blind repeat.
    begin: (key, sizeBytes, partBytes, options) =>
      watch('begin', 'write', () => inner.begin(key, sizeBytes, partBytes, options)),
    find: (key, sinceMs, signal, by) => attempt(signal, () => inner.find(key, sinceMs, signal, by)),
    ...(inner.initiator && { initiator: (signal) => attempt(signal, () => inner.initiator!(signal)) }),
    put: (upload, index, body, digests, signal) =>
      watch('part', 'write', async () =>
        isRepeatable(body)
          ? attempt(signal, () => inner.put(upload, index, body, digests, signal))
          : inner.put(upload, index, body, digests, signal),
      ),
    list: (upload, signal) => attempt(signal, () => inner.list(upload, signal)),
    complete: (upload, receipts, options) => attempt(options.signal, () => inner.complete(upload, receipts, options)),
    abort: (upload, signal) => attempt(signal, () => inner.abort(upload, signal)),
  };
}

/** The target is who was asked; but what it says of an object may be said of the one that it should have fetched. */
function asked(inner: ServerSideCopy): ServerSideCopy {
  const noted = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (thrown) {
      if (toDroverError(thrown).policy.scope === 'account') noteSide(thrown, 'target');
      throw thrown;
    }
  };
  return {
    accepts: (reference) => inner.accepts(reference),
    get copyBytesMax() {
      return inner.copyBytesMax;
    },
    copy: (...of) => noted(inner.copy(...of)),
    copyPart: (...of) => noted(inner.copyPart(...of)),
  };
}

function isRepeatable(body: WriteBody): boolean {
  return body.content instanceof Uint8Array;
}

/** Goes on after the last page given; tries are counted anew whenever a page came. */
async function* resumingScan(
  inner: Lister,
  seek: 'key' | 'none',
  range: ScanRange,
  signal: AbortSignal,
  attempt: Try,
): AsyncGenerator<Page> {
  let rest = range;
  const advance = (page: Page): void => {
    const lastKey = page.entries.at(-1)?.key;
    if (page.cursor !== null) rest = { ...range, resume: page.cursor };
    else if (seek === 'key' && lastKey !== undefined) rest = { ...range, from: keyAfter(lastKey), resume: null };
  };
  for (;;) {
    const pages = inner.scan(rest, signal)[Symbol.asyncIterator]();
    try {
      for (;;) {
        const result = await pages.next();
        if (result.done === true) return;
        advance(result.value);
        yield result.value;
        if (result.value.complete) return;
      }
    } catch (error) {
      if (toDroverError(error).policy.retry === 'never' || signal.aborted) {
        noteSide(error, attempt.side);
        throw error;
      }
      attempt.again(toDroverError(error));
      // One more page is fetched with back-off; the listing then goes on from behind it.
      const page = await attempt(signal, () => firstPage(inner, rest, signal));
      advance(page);
      yield page;
      if (page.complete) return;
    } finally {
      await pages.return?.().catch(() => undefined);
    }
  }
}

async function firstPage(inner: Lister, range: ScanRange, signal: AbortSignal): Promise<Page> {
  const pages = inner.scan(range, signal)[Symbol.asyncIterator]();
  const result = await pages.next();
  // Stopped on purpose after one page; that is no end of the listing.
  await pages.return?.();
  return result.done === true ? { entries: [], cursor: range.resume, complete: false } : result.value;
}
