/** Server-side copies: the target fetches the bytes by itself. Falls back (returns `null`) where it cannot. */
import type { CopyReference, PartReceipt } from '../contract/provider.ts';
import type { Entry } from '../model/entry.ts';
import { DroverError, toDroverError } from '../model/errors.ts';
import { isProvedBefore, markedAs, proved, propertiesFor, writeOptions } from './copy-context.ts';
import type { Attempt, CopyContext, CopyOrder } from './copy-context.ts';
import { forEachIndex } from './lanes.ts';
import { MIB, REFERENCE_LIFETIME_MS } from './limits.ts';
import { combineDigests } from './part-digests.ts';
import { partRange, planParts } from './part-plan.ts';

/** Parts the stores copy between themselves: no byte passes this machine, so they may be large. */
const REFERENCE_PART_BYTES = 256 * MIB;

/** `null`: the target cannot, or may not, fetch from this source; the bytes must be relayed. */
export async function copyByReference(
  context: CopyContext,
  order: CopyOrder,
  signal: AbortSignal,
): Promise<Attempt | null> {
  const { serverSide } = context;
  while (serverSide.state === 'unknown' && serverSide.probing !== null) await serverSide.probing;
  if (serverSide.state === 'refused') return null;
  const copying = tryReference(context, order, signal);
  if (serverSide.state === 'works') return copying;
  // The first one finds out; a refusal would otherwise be asked for once in every lane.
  const settled = copying.then(
    (attempt) => {
      serverSide.state = attempt === null ? 'refused' : 'works';
    },
    () => undefined,
  );
  serverSide.probing = settled;
  await settled;
  if (serverSide.probing === settled) serverSide.probing = null;
  return copying;
}

async function tryReference(context: CopyContext, order: CopyOrder, signal: AbortSignal): Promise<Attempt | null> {
  const { source, target } = context;
  const copier = target.facets.serverSideCopy;
  if (copier === undefined || source.facets.references === undefined) return null;
  const reference = await source.facets.references.of(order.entry, REFERENCE_LIFETIME_MS, signal);
  if (copier.accepts(reference) === 'no') return null;
  try {
    const description = await source.describe(order.entry, signal);
    const entry = description.entry;
    const properties = await propertiesFor(context, entry, description.properties, signal);
    const options = writeOptions(order, properties, entry.digests, context, signal);
    if (entry.sizeBytes <= copier.copyBytesMax) {
      const written = await copier.copy(reference, order.targetKey, entry.sizeBytes, options);
      context.onBytes(entry.key, entry.sizeBytes);
      const proof = { source: entry, computed: {}, countedBytes: entry.sizeBytes, written };
      return await unchanged(context, await proved(context, proof, signal), signal);
    }
    return await copyPartsByReference(context, order, entry, options, signal);
  } catch (error) {
    const { code } = toDroverError(error);
    if (code !== 'UNSUPPORTED' && !(code === 'PERMISSION_DENIED' && copier.accepts(reference) === 'probe')) throw error;
    context.serverSide.state = 'refused';
    return null;
  }
}

async function copyPartsByReference(
  context: CopyContext,
  order: CopyOrder,
  entry: Entry,
  options: ReturnType<typeof writeOptions>,
  signal: AbortSignal,
): Promise<Attempt | null> {
  const { source, target } = context;
  const copier = target.facets.serverSideCopy;
  const parts = target.facets.parts;
  if (copier === undefined || parts === undefined || source.facets.references === undefined) return null;
  const first = entry.composite === null ? null : ((await source.facets.partSizes?.first(entry, signal)) ?? null);
  const planned = planParts(entry.sizeBytes, parts.limits, {
    partBytes: first ?? REFERENCE_PART_BYTES,
    memoryBytes: 0,
  });
  if ('impossible' in planned) return null;
  const plan = {
    key: order.targetKey,
    source: entry,
    sizeBytes: entry.sizeBytes,
    partBytes: planned.partBytes,
    options,
  };
  const open = await context.uploads.open(parts, plan);
  try {
    await forEachIndex(planned.partCount, context.partGate, signal, async (index, partSignal) => {
      const range = partRange({ ...planned, sizeBytes: entry.sizeBytes }, index);
      if (!open.receipts.has(index)) {
        const reference = await referenceFor(context, entry, partSignal);
        open.receipts.set(index, await copier.copyPart(open.upload, index, reference, range, partSignal));
        await context.uploads.saveReceipts(plan, open);
      }
      context.onBytes(entry.key, range.lengthBytes);
    });
    const receipts: PartReceipt[] = [...open.receipts.values()].toSorted((a, b) => a.index - b.index);
    const countedBytes = receipts.reduce((sum, receipt) => sum + receipt.sizeBytes, 0);
    const combined = combineDigests(receipts);
    const known = { source: entry, computed: {}, countedBytes };
    const isProved = isProvedBefore({ ...known, proved: combined });
    const written = await parts.complete(open.upload, receipts, markedAs(isProved, options));
    await context.uploads.close(open);
    const all = { ...written, proved: { ...combined, ...written.proved } };
    return await unchanged(context, await proved(context, { ...known, written: all }, signal), signal);
  } catch (error) {
    await (signal.aborted ? context.uploads.keep(plan, open) : context.uploads.abort(parts, open, signal)).catch(
      () => undefined,
    );
    throw error;
  }
}

/**
 * An address names a key, not a state of it. Unless a version was named or the source's own digest was proved, the
 * source is looked at once more: bytes of another state must not pass as those of this one.
 */
async function unchanged(context: CopyContext, attempt: Attempt, signal: AbortSignal): Promise<Attempt> {
  const { source } = attempt;
  if (source.identity.versionId !== null || (attempt.class !== 'V0' && attempt.leg === null)) return attempt;
  const now = await context.source.stat(source.key, signal);
  if (now !== null && now.identity.etag === source.identity.etag && now.sizeBytes === source.sizeBytes) return attempt;
  context.onRefuted?.(attempt.target);
  await context.target.facets.removal?.remove(attempt.target, signal).catch(() => undefined);
  throw new DroverError('CHANGED', `${JSON.stringify(source.key)} changed while it was copied.`, { key: source.key });
}

/** Signed late, once per part: an address dies with the credentials that signed it. */
function referenceFor(context: CopyContext, entry: Entry, signal: AbortSignal): Promise<CopyReference> {
  const { references } = context.source.facets;
  if (references === undefined) throw new TypeError('asked for a reference of a source that gives none');
  return references.of(entry, REFERENCE_LIFETIME_MS, signal);
}
