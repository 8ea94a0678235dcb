/**
 * Reads what was written again from the target, before the item counts as copied: proof that rests on no digest a store
 * tells about itself. Costs the bytes once more at the target; and once more at the source where neither the source nor
 * the way there gave a digest of the whole to compare with.
 */
import type { Source } from '../contract/provider.ts';
import { COMPUTABLE_DIGESTS, createHasher } from '../lib/hash.ts';
import { retrying, type RetryOptions } from '../lib/retry.ts';
import { DIGEST_STRENGTH, type DigestKind, type Digests } from '../model/digest.ts';
import type { Entry } from '../model/entry.ts';
import { DroverError, toDroverError } from '../model/errors.ts';
import type { CopyContext, Proof } from './copy-context.ts';
import { atSide } from './failure-facts.ts';

const READINGS_MAX = 4;
/** Where nothing is known, so that it has to be computed on both sides. */
export const CHOSEN_DIGEST: DigestKind = 'sha256';

/** How it is read: tried again with this, and held back to the bandwidth rule. */
export interface Reading {
  readonly retry: Pick<RetryOptions, 'clock' | 'random' | 'onRetry'>;
  readonly take: ((bytes: number) => Promise<void>) | null;
  readonly signal: AbortSignal;
}

/** The proof with what the bytes at the target really are; itself where they cannot be read because of their class. */
export async function withReadBack(context: CopyContext, proof: Proof, reading: Reading): Promise<Proof> {
  const { readBack } = context;
  const { source, written, computed } = proof;
  if (context.policy.verify !== 'read-back' || source.kind !== 'object' || source.sizeBytes === 0) return proof;
  if (readBack === undefined || readBack === null) {
    throw new DroverError('UNSUPPORTED', 'The target cannot be read back: it was not opened for reading.');
  }
  const kinds = known({ ...computed, ...source.digests });
  // Of the source's own first: only those prove the whole way.
  const kind = known(source.digests)[0] ?? kinds[0] ?? CHOSEN_DIGEST;
  try {
    const read = await atSide('target', () => digestOf(readBack, written.entry, kind, reading));
    const proved: Digests = { ...written.proved, [kind]: read };
    const judged = { ...proof, written: { ...written, proved } };
    if (kinds.length > 0) return judged;
    const told = await digestOf(context.source, source, kind, reading);
    return { ...judged, source: { ...source, digests: { ...source.digests, [kind]: told } } };
  } catch (thrown) {
    const error = toDroverError(thrown);
    if (error.code !== 'ARCHIVED') throw error;
    context.onLoss?.('It could not be read back: objects of its class at the target cannot be read at once.');
    return proof;
  }
}

/** Strongest first, of those that can be computed here. */
function known(digests: Digests): readonly DigestKind[] {
  return COMPUTABLE_DIGESTS.filter((kind) => digests[kind] !== undefined).toSorted((a, b) =>
    DIGEST_STRENGTH[a] < DIGEST_STRENGTH[b] ? 1 : DIGEST_STRENGTH[a] > DIGEST_STRENGTH[b] ? -1 : 0,
  );
}

/** Of the bytes of exactly that state. EARLY_END and what reading gives. A reading that breaks off begins anew. */
export function digestOf(
  reader: Source,
  entry: Entry,
  kind: DigestKind,
  { retry, take, signal }: Reading,
): Promise<string> {
  return retrying(
    async () => {
      const { body } = await reader.read(entry, { offset: 0, lengthBytes: entry.sizeBytes }, signal);
      const hasher = createHasher(kind);
      let countedBytes = 0;
      for await (const chunk of body) {
        await take?.(chunk.length);
        hasher.update(chunk);
        countedBytes += chunk.length;
      }
      if (countedBytes !== entry.sizeBytes) {
        const words = `Only ${countedBytes} of ${entry.sizeBytes} bytes of ${JSON.stringify(entry.key)} were read back.`;
        throw new DroverError('EARLY_END', words, { key: entry.key });
      }
      return hasher.hex();
    },
    { ...retry, signal, attemptsMax: READINGS_MAX },
  );
}
