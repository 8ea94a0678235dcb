/** The copy log of a run as files: every item that was scanned, with its result and why. Streamed, never held. */
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { ItemRecord } from '../../model/outcome.ts';
import { csvPart } from '../csv.ts';
import { storageMoverCodeOf } from '../../model/storage-mover-codes.ts';

/** The first six as the copy logs that people know have them; raw bytes, ISO times, no grouping. */
const COLUMNS = [
  'ItemPath',
  'ItemType',
  'FileSize',
  'TransferResult',
  'StatusCode',
  'Details',
  'TargetPath',
  'VersionId',
  'VerificationClass',
  'VerificationLeg',
  'Attempts',
  'StartedAt',
  'DurationMs',
  'StorageMoverCode',
  'Side',
  'TargetFileSize',
] as const;

const RESULT_WORDS: Readonly<Record<string, string>> = {
  copied: 'Transferred',
  same: 'NoCopyNecessary',
  excluded: 'Excluded',
  skipped: 'Skipped',
  unsupported: 'Unsupported',
  failed: 'Failed',
  deleted: 'Deleted',
  missing: 'Missing',
  extra: 'Extra',
  different: 'Different',
};

const TYPE_LETTERS: Readonly<Record<ItemRecord['kind'], string>> = { object: 'F', folder: 'D', opaque: 'O' };

/** `results`: only these; `null` = all. */
export async function* chosen(
  items: AsyncIterable<ItemRecord>,
  results: readonly string[] | null,
): AsyncGenerator<ItemRecord> {
  for await (const item of items) if (results === null || results.includes(item.result)) yield item;
}

/**
 * CSV after RFC 4180 in UTF-8 with a byte order mark, so that spreadsheets read it right. What they would take for a
 * formula gets an apostrophe in front; what no text file can hold is written as `\\u{…}`. The other form is exact.
 */
export async function* toCsv(items: AsyncIterable<ItemRecord>): AsyncGenerator<Uint8Array> {
  let isFirst = true;
  for await (const batch of batches(items)) {
    yield csvPart(batch.map(rowOf), COLUMNS, isFirst);
    isFirst = false;
  }
}

/** At least one batch, which may be empty. */
async function* batches(items: AsyncIterable<ItemRecord>): AsyncGenerator<readonly ItemRecord[]> {
  let batch: ItemRecord[] = [];
  let isFirst = true;
  for await (const item of items) {
    batch.push(item);
    if (batch.length < BATCH_ROWS) continue;
    yield batch;
    batch = [];
    isFirst = false;
  }
  if (isFirst || batch.length > 0) yield batch;
}

/** Half characters stand for bytes that were no text, and would all become the same sign. */
function writable(key: string): string {
  const marked = key.replaceAll(/\p{Cs}/gu, (one) => `\\u{${(one.codePointAt(0) as number).toString(16)}}`);
  return marked.replaceAll('\0', '\\u{0}');
}

function rowOf(item: ItemRecord): Record<(typeof COLUMNS)[number], string | number> {
  return {
    ItemPath: writable(item.key),
    ItemType: TYPE_LETTERS[item.kind],
    FileSize: item.sizeBytes,
    TransferResult: RESULT_WORDS[item.result] ?? item.result,
    StatusCode: item.code,
    Details: writable(item.details ?? ''),
    TargetPath: writable(item.targetKey ?? item.key),
    VersionId: item.versionId ?? '',
    VerificationClass: item.verification ?? '',
    VerificationLeg: item.leg ?? '',
    Attempts: item.attempts ?? '',
    StartedAt: item.startedAtMs === undefined ? '' : new Date(item.startedAtMs).toISOString(),
    DurationMs: item.durationMs ?? '',
    StorageMoverCode: storageMoverCodeOf(item) ?? '',
    Side: item.side ?? '',
    TargetFileSize: item.targetSizeBytes ?? '',
  };
}

const BATCH_ROWS = 500;

/** One JSON object per line, each with the same members and types, so that columnar formats can be made of it. */
export function toNdjsonGz(items: AsyncIterable<ItemRecord>): AsyncIterable<Uint8Array> {
  return packedLines(linesOf(items));
}

export async function* packedLines(lines: AsyncIterable<string>): AsyncGenerator<Uint8Array> {
  const gzip = createGzip();
  const packing = pipeline(Readable.from(lines), gzip);
  // What goes wrong comes out of the loop below.
  packing.catch(() => undefined);
  try {
    for await (const chunk of gzip) yield chunk as Uint8Array;
    await packing;
  } finally {
    gzip.destroy();
  }
}

async function* linesOf(items: AsyncIterable<ItemRecord>): AsyncGenerator<string> {
  for await (const batch of batches(items)) {
    yield batch.map((item) => `${JSON.stringify(typedRow(item))}\n`).join('');
  }
}

function typedRow(item: ItemRecord): Record<string, string | number | null> {
  return {
    key: item.key,
    kind: item.kind,
    sizeBytes: item.sizeBytes,
    result: item.result,
    code: item.code,
    details: item.details ?? null,
    targetKey: item.targetKey ?? null,
    versionId: item.versionId ?? null,
    verification: item.verification ?? null,
    leg: item.leg ?? null,
    attempts: item.attempts ?? null,
    startedAtMs: item.startedAtMs ?? null,
    durationMs: item.durationMs ?? null,
    storageMoverCode: storageMoverCodeOf(item),
    side: item.side ?? null,
    targetSizeBytes: item.targetSizeBytes ?? null,
  };
}
