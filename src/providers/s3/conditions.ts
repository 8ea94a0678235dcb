/** Making a write happen only in the expected state, with what the store really honours. */
import type { Expectation, Honour, TargetFacts } from '../../contract/provider.ts';
import { DIGEST_KINDS } from '../../model/digest.ts';
import { changed } from './objects.ts';
import type { Objects } from './objects.ts';

/** What Amazon documents. Deleting under a condition is young there, so it is looked at before as well. */
export const AMAZON_FACTS: TargetFacts = {
  observedAtMs: null,
  createOnly: 'honoured',
  matchOnWrite: 'honoured',
  matchOnComplete: 'honoured',
  matchOnDelete: 'unknown',
  etagQuotes: 'quoted',
  contentMd5: 'honoured',
  checksums: { crc64nvme: 'honoured', crc32c: 'honoured', crc32: 'honoured', sha256: 'honoured', sha1: 'honoured' },
  returned: ['crc64nvme', 'crc32c', 'crc32', 'sha256', 'sha1'],
  partNumberReads: 'honoured',
  tagsOnBegin: 'honoured',
  sizeOnComplete: 'honoured',
};

export const UNKNOWN_FACTS: TargetFacts = {
  observedAtMs: null,
  createOnly: 'unknown',
  matchOnWrite: 'unknown',
  matchOnComplete: 'unknown',
  matchOnDelete: 'unknown',
  etagQuotes: 'quoted',
  contentMd5: 'unknown',
  checksums: Object.fromEntries(DIGEST_KINDS.filter((kind) => kind !== 'md5').map((kind) => [kind, 'unknown'])),
  returned: [],
  partNumberReads: 'unknown',
  tagsOnBegin: 'unknown',
};

/** How the facts judge the conditions of one kind of operation. */
export interface Judged {
  readonly absent: Honour;
  readonly match: Honour;
}

export function quoteEtag(etag: string, facts: Pick<TargetFacts, 'etagQuotes'>): string {
  return facts.etagQuotes === 'quoted' ? `"${etag}"` : etag;
}

/**
 * Headers for the condition. Where the store is not known to honour it, the object is looked at just before: that
 * leaves a moment in which somebody else may write, which is why it is a concession. CHANGED when it does not hold.
 */
export async function conditionHeaders(
  objects: Objects,
  key: string,
  expect: Expectation,
  judged: Judged,
  facts: TargetFacts,
  signal: AbortSignal,
): Promise<Record<string, string>> {
  if (expect.kind === 'any') return {};
  const honour = expect.kind === 'absent' ? judged.absent : judged.match;
  if (honour !== 'honoured') {
    const found = await objects.stat(key, signal);
    const holds = expect.kind === 'absent' ? found === null : found?.identity.etag === expect.identity.etag;
    if (!holds) throw changed(key);
  }
  if (expect.kind === 'absent') return honour === 'refused' ? {} : { 'if-none-match': '*' };
  // An ETag in the wrong quotes would be refused although it is right: only a known way of writing it is sent.
  if (honour !== 'honoured' || expect.identity.etag === null) return {};
  return { 'if-match': quoteEtag(expect.identity.etag, facts) };
}
