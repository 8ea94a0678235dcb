/** Large objects in parts: each part is read from the pinned source and streamed to the target, several at once. */
import type { PartReceipt, WriteOptions } from '../contract/provider.ts';
import { createHasher, type Hasher } from '../lib/hash.ts';
import { retrying } from '../lib/retry.ts';
import type { Digests, DigestKind } from '../model/digest.ts';
import type { Entry } from '../model/entry.ts';
import { DroverError, toDroverError } from '../model/errors.ts';
import { isProvedBefore, markedAs, proved, propertiesFor, retryWorldOf, takeOf, writeOptions } from './copy-context.ts';
import type { Attempt, CopyContext, CopyOrder } from './copy-context.ts';
import { collect, flowOf, letGo } from './flow.ts';
import { forEachIndex, Gate } from './lanes.ts';
import { REQUEST_ATTEMPTS_MAX, SMALL_BYTES_MAX } from './limits.ts';
import { combineDigests, composeMd5, type PartDigests } from './part-digests.ts';
import { partRange } from './part-plan.ts';
import type { Strategy } from './strategy.ts';
import type { OpenUpload, UploadPlan } from './uploads.ts';

type PartsStrategy = Extract<Strategy, { kind: 'parts' }>;

export async function copyInParts(
  context: CopyContext,
  order: CopyOrder,
  strategy: PartsStrategy,
  signal: AbortSignal,
): Promise<Attempt> {
  const parts = context.target.facets.parts;
  if (parts === undefined)
    throw new DroverError('TOO_LARGE', 'The target takes no uploads in parts.', { key: order.entry.key });
  const description = await context.source.describe(order.entry, signal);
  const source = description.entry;
  const properties = await propertiesFor(context, source, description.properties, signal);
  const options = writeOptions(order, properties, forwarded(source, strategy), context, signal);
  const plan: UploadPlan = {
    key: order.targetKey,
    source,
    sizeBytes: source.sizeBytes,
    partBytes: strategy.partBytes,
    options,
  };
  const open = await context.uploads.open(parts, plan);
  const sent: SentParts = {
    whole: strategy.computeWhole.map((kind) => ({ kind, hasher: createHasher(kind) })),
  };
  // A digest of the whole that does not combine from parts needs the parts one after the other.
  const gate = sent.whole.length > 0 ? new Gate(1) : context.partGate;
  try {
    await forEachIndex(strategy.partCount, gate, signal, async (index, partSignal) => {
      const part = await copyPart(context, { source, open, strategy, sent }, index, partSignal);
      if (part === null) return;
      open.receipts.set(index, part.receipt);
      open.received.set(index, part.received);
      await context.uploads.saveReceipts(plan, open);
    });
    return await finish(context, plan, open, { options, strategy, sent }, signal);
  } catch (error) {
    // Stopped by the person: the upload stays, journaled, and the next process continues it.
    await (signal.aborted ? context.uploads.keep(plan, open) : context.uploads.abort(parts, open, signal)).catch(
      () => undefined,
    );
    throw error;
  }
}

/** What is known of the parts that this process sent. */
interface SentParts {
  /** Over the content in order; only where the strategy asks for it. */
  readonly whole: readonly { readonly kind: DigestKind; readonly hasher: Hasher }[];
}

async function finish(
  context: CopyContext,
  plan: UploadPlan,
  open: OpenUpload,
  how: { readonly options: WriteOptions; readonly strategy: PartsStrategy; readonly sent: SentParts },
  signal: AbortSignal,
): Promise<Attempt> {
  const { options, strategy, sent } = how;
  const received = [...open.received.values()];
  const whole = Object.fromEntries(sent.whole.map(({ kind, hasher }) => [kind, hasher.hex()]));
  const parts = context.target.facets.parts;
  if (parts === undefined) throw new DroverError('INTERNAL', 'The target lost its uploads in parts.');
  const receipts = [...open.receipts.values()].toSorted((a, b) => a.index - b.index);
  const countedBytes = receipts.reduce((sum, receipt) => sum + receipt.sizeBytes, 0);
  if (receipts.length !== strategy.partCount || countedBytes !== plan.sizeBytes) {
    throw new DroverError(
      'EARLY_END',
      `${countedBytes} of ${plan.sizeBytes} bytes of ${JSON.stringify(plan.source.key)} arrived at the target.`,
      { key: plan.source.key },
    );
  }
  const combined = combineDigests(receipts);
  const known = {
    source: plan.source,
    computed: { ...(received.length === strategy.partCount ? combineDigests(received) : {}), ...whole },
    computedComposite: composeMd5(received, strategy.partCount),
    sameParts: strategy.sameParts,
    countedBytes,
  };
  const provedComposite = composeMd5(receipts, strategy.partCount);
  const isProved = isProvedBefore({ ...known, proved: combined, provedComposite });
  const written = await parts.complete(open.upload, receipts, markedAs(isProved, options));
  await context.uploads.close(open);
  return proved(context, { ...known, written: { ...written, proved: { ...combined, ...written.proved } } }, signal);
}

interface PartOrder {
  readonly source: Entry;
  readonly open: OpenUpload;
  readonly strategy: PartsStrategy;
  readonly sent: SentParts;
}

/** One part, tried by itself: each try reads the range anew. `null` when it had arrived already. */
async function copyPart(
  context: CopyContext,
  order: PartOrder,
  index: number,
  signal: AbortSignal,
): Promise<SentPart | null> {
  const work = order.open.receipts.has(index) ? skipPart : sendPart;
  const result = await retrying(
    () =>
      work(context, order, index, signal).catch((error: unknown) => {
        // A changed source or a lost upload concerns the whole object: its parts must not be mixed.
        const { code } = toDroverError(error);
        if (code === 'CHANGED' || code === 'UPLOAD_LOST') return { whole: error };
        throw error;
      }),
    { ...retryWorldOf(context), signal, attemptsMax: REQUEST_ATTEMPTS_MAX },
  );
  if (result !== null && 'whole' in result) throw result.whole;
  return result;
}

/** An earlier process sent it; it is read again only where the digest of the whole needs it. */
async function skipPart(context: CopyContext, order: PartOrder, index: number, signal: AbortSignal): Promise<null> {
  const { source, strategy, sent } = order;
  const range = partRange({ ...strategy, sizeBytes: source.sizeBytes }, index);
  if (sent.whole.length > 0) {
    const reading = await context.source.read(source, range, signal);
    const content = await collect(reading.body, range.lengthBytes, source.key);
    for (const { hasher } of sent.whole) hasher.update(content);
  }
  context.onBytes(source.key, range.lengthBytes);
  return null;
}

interface SentPart {
  readonly receipt: PartReceipt;
  /** Of the bytes as they came from the source. */
  readonly received: PartDigests;
}

async function sendPart(context: CopyContext, order: PartOrder, index: number, signal: AbortSignal): Promise<SentPart> {
  const { source, open, strategy, sent } = order;
  const { parts } = context.target.facets;
  if (parts === undefined) throw new DroverError('INTERNAL', 'The target lost its uploads in parts.');
  const range = partRange({ ...strategy, sizeBytes: source.sizeBytes }, index);
  const isBuffered = sent.whole.length > 0 || mustSendDigests(context, strategy);
  const release = await context.memory(isBuffered ? range.lengthBytes : SMALL_BYTES_MAX, signal);
  let passedBytes = 0;
  let unread: AsyncIterable<Uint8Array> | null = null;
  try {
    const reading = await context.source.read(source, range, signal);
    unread = reading.body;
    const flow = flowOf(reading.body, {
      compute: strategy.computePart,
      take: takeOf(context, signal),
      onBytes: (bytes) => {
        passedBytes += bytes;
        context.onBytes(source.key, bytes);
      },
    });
    const content = isBuffered ? await collect(flow.chunks, range.lengthBytes, source.key) : flow.chunks;
    const known = isBuffered ? flow.digests() : {};
    const receipt = await parts.put(open.upload, index, { sizeBytes: range.lengthBytes, content }, known, signal);
    const digests = flow.digests();
    refuseOther(source, index, digests, receipt);
    if (content instanceof Uint8Array) for (const { hasher } of sent.whole) hasher.update(content);
    return { receipt, received: { index, sizeBytes: range.lengthBytes, proved: digests } };
  } catch (error) {
    if (unread !== null) void letGo(unread);
    context.onBytes(source.key, -passedBytes);
    throw error;
  } finally {
    release();
  }
}

/** A store that returns no digest by itself proves a part only by refusing one that was sent along beforehand. */
function mustSendDigests({ target }: CopyContext, { computePart }: PartsStrategy): boolean {
  const hasMd5Etags = target.traits.compositeDigests?.includes('md5') ?? false;
  return computePart.some((kind) => !target.facts.returned.includes(kind) && !(kind === 'md5' && hasMd5Etags));
}

function refuseOther(source: Entry, index: number, computed: Digests, receipt: PartReceipt): void {
  for (const [kind, value] of Object.entries(computed)) {
    const told = receipt.proved[kind as DigestKind];
    if (told !== undefined && told !== value) {
      throw new DroverError(
        'CORRUPTED',
        `Part ${index + 1} of ${JSON.stringify(source.key)} arrived with another ${kind} than it was sent with.`,
        { key: source.key },
      );
    }
  }
}

/** Only what the parts will be checked against: the source's own digests of the whole. */
function forwarded(source: Entry, strategy: PartsStrategy): Digests {
  return strategy.sameParts ? {} : source.digests;
}
