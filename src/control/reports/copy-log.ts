/** The copy log of a run as files: every item that was scanned, with its result and why. Streamed, never held. */
import { Readable } from 'node:stream';
import { createGzip } from 'node:zlib';
import { stringify } from 'csv-stringify';
import type { ItemRecord } from '../../model/outcome.ts';

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
 * CSV after RFC 4180 in UTF-8 with a byte order mark, so that spreadsheets read it right; what they would take for a
 * formula is made harmless.
 */
export function toCsv(items: AsyncIterable<ItemRecord>): AsyncIterable<Uint8Array> {
  const rows = Readable.from(items).map((item: ItemRecord) => rowOf(item));
  return rows.pipe(
    stringify({ header: true, columns: [...COLUMNS], bom: true, escape_formulas: true, record_delimiter: 'windows' }),
  );
}

function rowOf(item: ItemRecord): Record<(typeof COLUMNS)[number], string | number> {
  return {
    ItemPath: item.key,
    ItemType: TYPE_LETTERS[item.kind],
    FileSize: item.sizeBytes,
    TransferResult: RESULT_WORDS[item.result] ?? item.result,
    StatusCode: item.code,
    Details: item.details ?? '',
    TargetPath: item.targetKey ?? item.key,
    VersionId: item.versionId ?? '',
    VerificationClass: item.verification ?? '',
    VerificationLeg: item.leg ?? '',
    Attempts: item.attempts ?? '',
    StartedAt: item.startedAtMs === undefined ? '' : new Date(item.startedAtMs).toISOString(),
    DurationMs: item.durationMs ?? '',
  };
}

/** One JSON object per line, each with the same members and types, so that columnar formats can be made of it. */
export function toNdjsonGz(items: AsyncIterable<ItemRecord>): AsyncIterable<Uint8Array> {
  const lines = Readable.from(items).map((item: ItemRecord) => `${JSON.stringify(typedRow(item))}\n`);
  return lines.pipe(createGzip());
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
  };
}
