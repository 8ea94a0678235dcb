/**
 * Where the source lists no digests (a folder) and the target does, equal sizes prove little and times may lie: then the
 * source's bytes are read and hashed once. The next run has a snapshot, which proves it without reading.
 */
import { COMPUTABLE_DIGESTS, createHasher } from '../lib/hash.ts';
import type { DigestKind } from '../model/digest.ts';
import type { Entry } from '../model/entry.ts';
import { DroverError } from '../model/errors.ts';
import type { RunContext } from './context.ts';
import type { Action } from './decide.ts';
import { SMALL_BYTES_MAX } from './limits.ts';

/** The digest to compute, or `null` when the decision needs none, or none would help. */
export function digestToCompute(
  context: RunContext,
  source: Entry | null,
  target: Entry | null,
  action: Action,
): DigestKind | null {
  if (source === null || target === null || source.kind !== 'object' || target.kind !== 'object') return null;
  if (source.sizeBytes !== target.sizeBytes || source.availability !== 'online') return null;
  const isOpen =
    (action.kind === 'same' && action.weak) ||
    action.kind === 'different' ||
    (action.kind === 'copy' && action.reason === 'changed') ||
    (action.kind === 'skipped' && action.reason === 'target-newer');
  // Reading a whole store again to compare it is what `check` is asked for; a run would rather copy.
  const isCheap = context.source.traits.listedDigests.length === 0;
  if (!isOpen || !(isCheap || context.policy.mode === 'check')) return null;
  if (COMPUTABLE_DIGESTS.some((kind) => source.digests[kind] !== undefined && target.digests[kind] !== undefined))
    return null;
  return COMPUTABLE_DIGESTS.find((kind) => target.digests[kind] !== undefined) ?? null;
}

/** The entry with the digest of its bytes, read now from exactly that state. CHANGED, EARLY_END and what reading gives. */
export async function withComputedDigest(context: RunContext, entry: Entry, kind: DigestKind): Promise<Entry> {
  const { signal } = context;
  const leave = entry.sizeBytes > SMALL_BYTES_MAX ? await context.largeGate.enter(signal) : null;
  try {
    const reading = await context.source.read(entry, { offset: 0, lengthBytes: entry.sizeBytes }, signal);
    const hasher = createHasher(kind);
    let countedBytes = 0;
    for await (const chunk of reading.body) {
      hasher.update(chunk);
      countedBytes += chunk.length;
    }
    if (countedBytes !== entry.sizeBytes) {
      throw new DroverError(
        'EARLY_END',
        `Only ${countedBytes} of ${entry.sizeBytes} bytes came for ${JSON.stringify(entry.key)}.`,
      );
    }
    return { ...entry, digests: { ...entry.digests, [kind]: hasher.hex() } };
  } finally {
    leave?.();
  }
}
