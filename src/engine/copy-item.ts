/**
 * One object, from a pinned state of the source to a verified object at the target. Safe to call again after any crash:
 * writes are atomic and conditional, and an upload in parts is continued or ended, never left.
 */
import { digestOf } from '../lib/hash.ts';
import { retrying } from '../lib/retry.ts';
import type { Digests, DigestKind } from '../model/digest.ts';
import { NO_PROPERTIES, type Entry } from '../model/entry.ts';
import { DroverError } from '../model/errors.ts';
import { markedAs, propertiesFor, proved, retryWorldOf, takeOf, writeOptions } from './copy-context.ts';
import type { Attempt, Copied, CopyContext, CopyOrder } from './copy-context.ts';
import { copyInParts } from './copy-parts.ts';
import { copyByReference } from './copy-reference.ts';
import { afterTries, atSide, noteSide, ofItsSide } from './failure-facts.ts';
import { collect, flowOf, letGo, refuseOtherContent } from './flow.ts';
import { BYTES_IN_FLIGHT_MAX, ITEM_ATTEMPTS_MAX, SMALL_BYTES_MAX } from './limits.ts';
import { guessPartBytes } from './part-plan.ts';
import { chooseStrategy, isProvedByArriving, type Strategy } from './strategy.ts';
import { expectationNow, type Tries } from './target-now.ts';

/** Copies with a bounded number of tries; fails with the last error. CHANGED at the source is tried on its new state. */
export async function copyItem(context: CopyContext, order: CopyOrder, signal: AbortSignal): Promise<Copied> {
  let attempts = 0;
  let current = order;
  const tries: Tries = { failedWith: null, refuted: null };
  const onRefuted = ({ identity }: Entry): void => void (tries.refuted = identity);
  return retrying(
    async () => {
      attempts += 1;
      if (attempts > 1) current = await refreshed(context, current, tries, signal);
      const unread = new Set<string>();
      const watched = { ...context, onRefuted, onLoss: (what: string) => void unread.add(what) };
      try {
        const attempt = await attemptCopy(watched, current, signal);
        return { ...attempt, losses: [...attempt.losses, ...unread], attempts };
      } catch (thrown) {
        const error = ofItsSide(thrown);
        tries.failedWith = error.code;
        throw error;
      }
    },
    { ...retryWorldOf(context), signal, attemptsMax: ITEM_ATTEMPTS_MAX },
  ).catch((thrown: unknown) => {
    throw afterTries(thrown, attempts);
  });
}

/** After a failed try both sides are looked at again: the source may have changed, the target may hold our own write. */
async function refreshed(
  context: CopyContext,
  order: CopyOrder,
  tries: Tries,
  signal: AbortSignal,
): Promise<CopyOrder> {
  const entry =
    order.entry.identity.versionId === null ? await context.source.stat(order.entry.key, signal) : order.entry;
  if (entry === null) {
    const words = `${JSON.stringify(order.entry.key)} was removed from the source after it was listed.`;
    const gone = new DroverError('NOT_FOUND', words, { key: order.entry.key });
    noteSide(gone, 'source');
    throw gone;
  }
  if (order.expect.kind === 'any') return { ...order, entry };
  const target = await context.target.stat(order.targetKey, signal);
  return { ...order, entry, expect: expectationNow(context, order, entry, target, tries) };
}

async function attemptCopy(context: CopyContext, order: CopyOrder, signal: AbortSignal): Promise<Attempt> {
  const { entry } = order;
  if (entry.kind === 'folder') return copyFolder(context, order, signal);
  if (context.policy.serverSide !== 'never') {
    const copied = await copyByReference(context, order, signal);
    if (copied !== null) return copied;
  }
  if (context.policy.serverSide === 'always') {
    throw new DroverError(
      'UNSUPPORTED',
      `The target cannot fetch ${JSON.stringify(entry.key)} from the source by itself.`,
      {
        key: entry.key,
        remedy: 'Let it go through Drover: server-side copies set to auto (--server-side auto).',
      },
    );
  }
  if (entry.sizeBytes <= SMALL_BYTES_MAX) return copyWhole(context, order, signal);
  const strategy = await strategyFor(context, entry, signal);
  switch (strategy.kind) {
    case 'impossible':
      throw new DroverError(strategy.code, strategy.details, { key: entry.key });
    case 'parts':
      return copyInParts(context, order, strategy, signal);
    case 'whole':
      return copyWhole(context, order, signal);
    case 'stream':
      return copyStream(context, order, strategy, signal);
  }
}

async function strategyFor(context: CopyContext, entry: Entry, signal: AbortSignal): Promise<Strategy> {
  const { source, target } = context;
  const composite = target.facets.parts === undefined ? null : entry.composite;
  const told = composite === null ? null : ((await source.facets.partSizes?.first(entry, signal)) ?? null);
  const guessed =
    composite !== null && told === null ? guessPartBytes(entry.sizeBytes, composite.partCount)[0] : undefined;
  return chooseStrategy({
    entry,
    sizeBytes: entry.sizeBytes,
    target: target.traits,
    facts: target.facts,
    limits: target.facets.parts?.limits ?? null,
    sourcePartBytes: told ?? guessed ?? null,
    isPartSizeGuessed: guessed !== undefined,
    memoryBytes: BYTES_IN_FLIGHT_MAX,
    smallBytesMax: SMALL_BYTES_MAX,
  });
}

async function copyFolder(context: CopyContext, order: CopyOrder, signal: AbortSignal): Promise<Attempt> {
  // In an object store a folder is an empty object, and may carry what objects carry.
  const { headers, metadata } = context.target.traits.carries;
  const properties = headers || metadata ? await propertiesFor(context, order.entry, null, signal) : NO_PROPERTIES;
  const options = markedAs(true, writeOptions(order, properties, {}, context, signal));
  const written = await context.target.write(order.targetKey, { sizeBytes: 0, content: new Uint8Array(0) }, options);
  // A folder has no content: that it is there is all there is to prove, and the target's answer did.
  return { source: order.entry, target: written.entry, class: 'V3', leg: null, losses: written.losses };
}

/** Small objects: whole in memory, so that digests go along with the bytes and a lost answer costs one more request. */
async function copyWhole(context: CopyContext, order: CopyOrder, signal: AbortSignal): Promise<Attempt> {
  const { entry } = order;
  const release = await context.memory(entry.sizeBytes, signal);
  try {
    const reading = await context.source.read(entry, { offset: 0, lengthBytes: entry.sizeBytes }, signal);
    const content = await atSide('source', () => collect(reading.body, entry.sizeBytes, entry.key));
    if (context.bandwidth !== null) await context.bandwidth(content.length, signal);
    context.onBytes(entry.key, content.length);
    // The answer's word, not the listing's: a listed ETag may look like an MD5 and be none (KMS).
    const source = reading.entry;
    const properties = await propertiesFor(context, source, reading.properties, signal);
    const strategy = chooseStrategy({
      entry: source,
      sizeBytes: source.sizeBytes,
      target: context.target.traits,
      facts: context.target.facts,
      limits: context.target.facets.parts?.limits ?? null,
      sourcePartBytes: null,
      memoryBytes: SMALL_BYTES_MAX,
      smallBytesMax: Number.MAX_SAFE_INTEGER,
    });
    if (strategy.kind === 'impossible') throw new DroverError(strategy.code, strategy.details, { key: entry.key });
    const kinds = strategy.kind === 'whole' ? strategy.compute : [];
    const computed = digestsOf(content, kinds);
    // Before it is written, where it is known already.
    refuseOtherContent(source, computed);
    const send = strategy.kind === 'whole' ? strategy.send : {};
    const digests = { ...send, ...computed };
    const isProved = content.length === 0 || isProvedByArriving(digests, context.target);
    const options = markedAs(isProved, writeOptions(order, properties, digests, context, signal));
    const written = await context.target.write(order.targetKey, { sizeBytes: content.length, content }, options);
    return await proved(context, { source, computed, countedBytes: content.length, written }, signal);
  } finally {
    release();
  }
}

async function copyStream(
  context: CopyContext,
  order: CopyOrder,
  strategy: Extract<Strategy, { kind: 'stream' }>,
  signal: AbortSignal,
): Promise<Attempt> {
  const { entry } = order;
  const release = await context.memory(SMALL_BYTES_MAX, signal);
  let unread: AsyncIterable<Uint8Array> | null = null;
  try {
    const reading = await context.source.read(entry, { offset: 0, lengthBytes: entry.sizeBytes }, signal);
    unread = reading.body;
    const source = reading.entry;
    const properties = await propertiesFor(context, source, reading.properties, signal);
    const flow = flowOf(reading.body, {
      compute: strategy.compute,
      expected: { sizeBytes: entry.sizeBytes, digests: source.digests, key: entry.key },
      take: takeOf(context, signal),
      onBytes: (bytes) => context.onBytes(entry.key, bytes),
    });
    const isProved = isProvedByArriving(strategy.send, context.target);
    const options = markedAs(isProved, writeOptions(order, properties, strategy.send, context, signal));
    const body = { sizeBytes: entry.sizeBytes, content: flow.chunks };
    const written = await context.target.write(order.targetKey, body, options);
    unread = null;
    const computed = flow.digests();
    return await proved(context, { source, computed, countedBytes: flow.countedBytes(), written }, signal);
  } finally {
    if (unread !== null) void letGo(unread);
    release();
  }
}

function digestsOf(content: Uint8Array, kinds: readonly DigestKind[]): Digests {
  return Object.fromEntries(kinds.map((kind) => [kind, digestOf(kind, content)]));
}
