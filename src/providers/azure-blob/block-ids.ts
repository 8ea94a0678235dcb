/**
 * Names of blocks. All names of one blob must have the same length, those that somebody else left behind included; so
 * there is one readable form, and a compact one that can take the length another program has set.
 *
 * Readable (63 bytes): `drov-`, the run, the time the upload began, the index, and the block's CRC-64 where it was known
 * before it was sent. The service refused the block if it did not have that CRC, so a process that finds the block
 * again has its proof too. One block of a single byte marks an upload from its beginning on; the size of the whole
 * stands in the place of its CRC.
 */
import { createHash } from 'node:crypto';

export interface UploadName {
  /** `[a-z0-9]{8,26}` */
  readonly runId: string;
  readonly startedAtMs: number;
}

export interface OwnBlock {
  readonly startedAtMs: number;
  readonly index: number;
  /** CRC-64 the service checked (of the marker: the size of the whole); `null` when it was not known beforehand. */
  readonly crc64: string | null;
}

export const READABLE_LENGTH = 63;
const COMPACT_LENGTH_MIN = 12;
const ID_LENGTH_MAX = 64;
const MARK = 'drov-';
const RUN_WIDTH = 26;
const TIME_WIDTH = 11;
const INDEX_WIDTH = 5;
const NO_CRC = '-'.repeat(16);
/** Index of the block that marks an upload from its beginning on; no part has it. */
export const MARKER_INDEX = 65_535;

/** Base64, as it goes on the wire. */
export function blockId(upload: UploadName, index: number, crc64: string | null, length: number): string {
  return (length === READABLE_LENGTH ? readable(upload, index, crc64) : compact(upload, index, length)).toString(
    'base64',
  );
}

/** What a block's name tells when it is one of this run; `null` for everybody else's. */
export function parseBlockId(id: string, runId: string): OwnBlock | null {
  const bytes = Buffer.from(id, 'base64');
  if (bytes.length === READABLE_LENGTH) return parseReadable(bytes.toString('latin1'), runId);
  if (!isUsableLength(bytes.length)) return null;
  const head = bytes.length - 8;
  if (!bytes.subarray(0, head).equals(runMark(runId, head))) return null;
  return { startedAtMs: bytes.readUIntBE(head, 6), index: bytes.readUInt16BE(head + 6), crc64: null };
}

/** Bytes before encoding. */
export function idLength(id: string): number {
  return Buffer.from(id, 'base64').length;
}

/** Whether names of that length can tell ours from others'. */
export function isUsableLength(length: number): boolean {
  return length >= COMPACT_LENGTH_MIN && length <= ID_LENGTH_MAX;
}

function readable(upload: UploadName, index: number, crc64: string | null): Buffer {
  const time = upload.startedAtMs.toString(16).padStart(TIME_WIDTH, '0');
  const place = String(index).padStart(INDEX_WIDTH, '0');
  return Buffer.from(`${MARK}${upload.runId.padEnd(RUN_WIDTH, '-')}${time}${place}${crc64 ?? NO_CRC}`, 'latin1');
}

function parseReadable(text: string, runId: string): OwnBlock | null {
  const head = MARK + runId.padEnd(RUN_WIDTH, '-');
  if (!text.startsWith(head)) return null;
  const rest = /^([0-9a-f]{11})([0-9]{5})([0-9a-f]{16}|-{16})$/.exec(text.slice(head.length));
  if (rest === null) return null;
  const crc64 = rest[3] as string;
  return {
    startedAtMs: parseInt(rest[1] as string, 16),
    index: Number(rest[2]),
    crc64: crc64 === NO_CRC ? null : crc64,
  };
}

function compact(upload: UploadName, index: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  const head = length - 8;
  bytes.set(runMark(upload.runId, head));
  bytes.writeUIntBE(upload.startedAtMs, head, 6);
  bytes.writeUInt16BE(index, head + 6);
  return bytes;
}

function runMark(runId: string, length: number): Buffer {
  return Buffer.concat([createHash('sha256').update(`drover ${runId}`).digest(), Buffer.alloc(ID_LENGTH_MAX)], length);
}
