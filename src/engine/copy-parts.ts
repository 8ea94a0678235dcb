/** Large objects in parts: each part is read from the pinned source and streamed to the target, several at once. */
import { createHash } from 'node:crypto';
import type { PartReceipt, WriteOptions } from '../contract/provider.ts';
import { crc32cCombine, crc32Combine } from '../lib/crc32-combine.ts';
import { crc64Combine } from '../lib/crc64.ts';
import { retrying } from '../lib/retry.ts';
import type { CompositeDigest, Digests, DigestKind } from '../model/digest.ts';
import type { Entry } from '../model/entry.ts';
import { DroverError, toDroverError } from '../model/errors.ts';
import { proved, propertiesFor, takeOf, withDigestsOf, writeOptions } from './copy-item.ts';
import type { Attempt, CopyContext, CopyOrder } from './copy-item.ts';
import { flowOf } from './flow.ts';
import { forEachIndex } from './lanes.ts';
import { REQUEST_ATTEMPTS_MAX, SMALL_BYTES_MAX } from './limits.ts';
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
  const source = withDigestsOf(description.entry, order.entry);
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
  const received: PartDigests[] = [];
  try {
    await forEachIndex(strategy.partCount, context.partGate, signal, async (index, partSignal) => {
      if (open.receipts.has(index)) {
        context.onBytes(source.key, partRange({ ...strategy, sizeBytes: source.sizeBytes }, index).lengthBytes);
        return;
      }
      const part = await copyPart(context, source, open, strategy, index, partSignal);
      open.receipts.set(index, part.receipt);
      received.push(part.received);
      await context.uploads.saveReceipts(plan, open);
    });
    return await finish(context, plan, open, { options, strategy, received }, signal);
  } catch (error) {
    // Stopped by the person: the upload stays, journaled, and the next process continues it.
    if (!signal.aborted) await context.uploads.abort(parts, open, signal).catch(() => undefined);
    throw error;
  }
}

async function finish(
  context: CopyContext,
  plan: UploadPlan,
  open: OpenUpload,
  how: { readonly options: WriteOptions; readonly strategy: PartsStrategy; readonly received: readonly PartDigests[] },
  signal: AbortSignal,
): Promise<Attempt> {
  const { options, strategy, received } = how;
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
  const written = await parts.complete(open.upload, receipts, options);
  await context.uploads.close(open);
  const combined = combineDigests(receipts);
  const proof = {
    source: plan.source,
    // Parts that an earlier process sent were not seen by this one: then the source's leg rests on the target's proof.
    computed: received.length === strategy.partCount ? combineDigests(received) : {},
    computedComposite: composeMd5(received, strategy.partCount),
    sameParts: strategy.sameParts,
    countedBytes,
    written: { ...written, proved: { ...combined, ...written.proved } },
  };
  return proved(context, proof, signal);
}

/** One part, tried by itself: each try reads the range anew. */
async function copyPart(
  context: CopyContext,
  source: Entry,
  open: OpenUpload,
  strategy: PartsStrategy,
  index: number,
  signal: AbortSignal,
): Promise<SentPart> {
  const { clock, random } = context.world;
  const result = await retrying(
    () =>
      sendPart(context, source, open, strategy, index, signal).catch((error: unknown) => {
        // A changed source or a lost upload concerns the whole object: its parts must not be mixed.
        const { code } = toDroverError(error);
        if (code === 'CHANGED' || code === 'UPLOAD_LOST') return { whole: error };
        throw error;
      }),
    { clock, random, signal, attemptsMax: REQUEST_ATTEMPTS_MAX },
  );
  if ('whole' in result) throw result.whole;
  return result;
}

interface SentPart {
  readonly receipt: PartReceipt;
  /** Of the bytes as they came from the source. */
  readonly received: PartDigests;
}

async function sendPart(
  context: CopyContext,
  source: Entry,
  open: OpenUpload,
  strategy: PartsStrategy,
  index: number,
  signal: AbortSignal,
): Promise<SentPart> {
  const { parts } = context.target.facets;
  if (parts === undefined) throw new DroverError('INTERNAL', 'The target lost its uploads in parts.');
  const range = partRange({ ...strategy, sizeBytes: source.sizeBytes }, index);
  const release = await context.memory(SMALL_BYTES_MAX, signal);
  let passedBytes = 0;
  try {
    const reading = await context.source.read(source, range, signal);
    const flow = flowOf(reading.body, {
      compute: strategy.computePart,
      take: takeOf(context, signal),
      onBytes: (bytes) => {
        passedBytes += bytes;
        context.onBytes(source.key, bytes);
      },
    });
    const body = { sizeBytes: range.lengthBytes, content: flow.chunks };
    const receipt = await parts.put(open.upload, index, body, {}, signal);
    const digests = flow.digests();
    refuseOther(source, index, digests, receipt);
    return { receipt, received: { index, sizeBytes: range.lengthBytes, proved: digests } };
  } catch (error) {
    context.onBytes(source.key, -passedBytes);
    throw error;
  } finally {
    release();
  }
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

type PartDigests = Pick<PartReceipt, 'index' | 'sizeBytes' | 'proved'>;

/** Digests of the whole from digests of all its parts, for the kinds that can be combined. */
export function combineDigests(given: readonly PartDigests[]): Digests {
  const receipts = given.toSorted((a, b) => a.index - b.index);
  const combined: { -readonly [K in keyof Digests]: Digests[K] } = {};
  for (const [kind, combine] of COMBINERS) {
    let value: string | null = null;
    for (const receipt of receipts) {
      const part: string | undefined = receipt.proved[kind];
      if (part === undefined) {
        value = null;
        break;
      }
      value = receipt.index === 0 ? part : combine(value as string, part, receipt.sizeBytes);
    }
    if (value !== null) combined[kind] = value;
  }
  return combined;
}

const COMBINERS: readonly (readonly [DigestKind, (a: string, b: string, bLengthBytes: number) => string])[] = [
  ['crc64nvme', crc64Combine],
  ['crc32c', crc32cCombine],
  ['crc32', crc32Combine],
];

/** The digest over the digests of all parts, as S3 makes its ETag of an upload in parts. */
function composeMd5(received: readonly PartDigests[], partCount: number): CompositeDigest | null {
  const hash = createHash('md5');
  for (const part of received.toSorted((a, b) => a.index - b.index)) {
    if (part.proved.md5 === undefined) return null;
    hash.update(part.proved.md5, 'hex');
  }
  return received.length === partCount ? { kind: 'md5', value: hash.digest('hex'), partCount } : null;
}

/** Only what the parts will be checked against: the source's own digests of the whole. */
function forwarded(source: Entry, strategy: PartsStrategy): Digests {
  return strategy.sameParts ? {} : source.digests;
}
