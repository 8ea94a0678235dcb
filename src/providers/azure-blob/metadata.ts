/**
 * User metadata, as Azure can hold it. Names there must be identifiers and values printable ASCII, so:
 *
 * - A name that is not an identifier, or begins with a reserved prefix, is written with `_` for what is not allowed,
 *   a leading `_` where it begins with a digit, and a number behind it when that name is taken.
 * - A value that is not plain text is percent-encoded (`%` alone stands for the empty value).
 * - `drover_names` holds `written=original` pairs for the first, `drover_values` the written names for the second,
 *   both separated by `&`. Reading undoes both; an entry whose marker somebody removed stays as it is.
 * - `drover_expires` holds the header `Expires`, which Azure has no property for, and `drover_source_…` the identity
 *   of the source and what spoke for the copy. All names beginning with `drover_` are hidden from those who read.
 */
import type { RecordedSource } from '../../model/entry.ts';

export const METADATA_BYTES_MAX = 8 * 1024;
const NAMES = 'drover_names';
const VALUES = 'drover_values';
const EXPIRES = 'drover_expires';
const UPLOAD = 'drover_upload';
const SOURCE_ETAG = 'drover_source_etag';
const SOURCE_VERSION = 'drover_source_version';
const SOURCE_SIZE = 'drover_source_size';
const SOURCE_MODIFIED = 'drover_source_modified';
/** What spoke for the copy: `digest`, or its `size` alone. */
const SOURCE_PROOF = 'drover_source_proof';
const FOLDER = 'hdi_isfolder';
const RESERVED = /^(?:drover_|hdi_)/;

export interface MetadataGiven {
  readonly metadata: Readonly<Record<string, string>>;
  readonly expires: string | null;
  readonly recorded: RecordedSource | null;
  /** Makes a commit recognisable after a lost answer. */
  readonly upload: string | null;
  readonly isFolder: boolean;
}

export interface MetadataWritten {
  /** Names and values as they go on the wire, names lower-case. */
  readonly entries: Readonly<Record<string, string>>;
  /** One sentence for each entry that did not fit. */
  readonly losses: readonly string[];
}

export interface MetadataRead {
  /** The user's own, as it was given. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly expires: string | null;
  readonly recorded: RecordedSource | null;
  readonly upload: string | null;
  readonly isFolder: boolean;
}

/** Deterministic: the same input gives the same entries, and the same ones are left out when not all fit. */
export function encodeMetadata(given: MetadataGiven): MetadataWritten {
  const entries = ownEntries(given);
  const losses: string[] = [];
  const renamed: string[] = [];
  const encoded: string[] = [];
  let sizeBytes = [...entries].reduce((sum, [name, value]) => sum + name.length + value.length, 0);
  // Names that can stay as they are come first, so that no other name takes theirs.
  const names = Object.keys(given.metadata).toSorted(
    (a, b) => Number(needsName(a)) - Number(needsName(b)) || (a < b ? -1 : 1),
  );
  for (const name of names) {
    const value = given.metadata[name] as string;
    const written = needsName(name) ? freeName(name, entries) : name;
    const isEncoded = needsValue(value);
    const text = isEncoded ? encodeValue(value) : value;
    const pair = written === name ? null : `${written}=${encodeText(name)}`;
    const cost =
      written.length +
      text.length +
      markerCost(pair, renamed, NAMES) +
      markerCost(isEncoded ? written : null, encoded, VALUES);
    if (sizeBytes + cost > METADATA_BYTES_MAX) {
      losses.push(`The metadata entry "${name}" was left out: all metadata of a blob may hold 8 KiB.`);
      continue;
    }
    sizeBytes += cost;
    entries.set(written, text);
    if (pair !== null) renamed.push(pair);
    if (isEncoded) encoded.push(written);
  }
  if (renamed.length > 0) entries.set(NAMES, renamed.join('&'));
  if (encoded.length > 0) entries.set(VALUES, encoded.join('&'));
  return { entries: Object.fromEntries(entries), losses };
}

/** `raw`: names and values as they came, names in any case. */
export function decodeMetadata(raw: Readonly<Record<string, string>>): MetadataRead {
  const lower = new Map<string, string>();
  for (const [name, value] of Object.entries(raw)) lower.set(name.toLowerCase(), value);
  const originals = new Map<string, string>();
  for (const pair of (lower.get(NAMES) ?? '').split('&')) {
    const at = pair.indexOf('=');
    if (at > 0) originals.set(pair.slice(0, at), decodeText(pair.slice(at + 1)));
  }
  const encoded = new Set((lower.get(VALUES) ?? '').split('&'));
  const metadata = new Map<string, string>();
  for (const [name, value] of lower) {
    const original = originals.get(name);
    if (original === undefined && RESERVED.test(name)) continue;
    metadata.set(original ?? name, encoded.has(name) ? decodeValue(value) : value);
  }
  const expires = lower.get(EXPIRES);
  return {
    metadata: Object.fromEntries(metadata),
    expires: expires === undefined ? null : decodeText(expires),
    recorded: readRecorded(lower),
    upload: lower.get(UPLOAD) ?? null,
    isFolder: lower.get(FOLDER)?.toLowerCase() === 'true',
  };
}

/** The entries of a raw set that belong to Drover or mark a folder, and must survive when the user's are replaced. */
export function keptEntries(raw: Readonly<Record<string, string>>): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(raw)) {
    const lower = name.toLowerCase();
    if (lower.startsWith('drover_source_') || lower === UPLOAD || lower === FOLDER) kept[lower] = value;
  }
  return kept;
}

function ownEntries(given: MetadataGiven): Map<string, string> {
  const entries = new Map<string, string>();
  if (given.isFolder) entries.set(FOLDER, 'true');
  if (given.upload !== null) entries.set(UPLOAD, given.upload);
  if (given.expires !== null) entries.set(EXPIRES, encodeText(given.expires));
  const { recorded } = given;
  if (recorded !== null) {
    if (recorded.etag !== null) entries.set(SOURCE_ETAG, encodeText(recorded.etag));
    if (recorded.versionId !== null) entries.set(SOURCE_VERSION, encodeText(recorded.versionId));
    entries.set(SOURCE_SIZE, String(recorded.sizeBytes));
    if (recorded.modifiedAtMs !== null) entries.set(SOURCE_MODIFIED, new Date(recorded.modifiedAtMs).toISOString());
    if (recorded.isProved !== undefined) entries.set(SOURCE_PROOF, recorded.isProved ? 'digest' : 'size');
  }
  return entries;
}

function readRecorded(raw: ReadonlyMap<string, string>): RecordedSource | null {
  const size = raw.get(SOURCE_SIZE);
  if (size === undefined || !/^\d{1,16}$/.test(size)) return null;
  const modified = Date.parse(raw.get(SOURCE_MODIFIED) ?? '');
  const etag = raw.get(SOURCE_ETAG);
  const versionId = raw.get(SOURCE_VERSION);
  const proof = raw.get(SOURCE_PROOF);
  return {
    etag: etag === undefined ? null : decodeText(etag),
    versionId: versionId === undefined ? null : decodeText(versionId),
    sizeBytes: Number(size),
    modifiedAtMs: Number.isNaN(modified) ? null : modified,
    ...(proof === undefined ? {} : { isProved: proof === 'digest' }),
  };
}

function needsName(name: string): boolean {
  return !/^[a-z_][a-z0-9_]*$/.test(name) || RESERVED.test(name);
}

function needsValue(value: string): boolean {
  return value === '' || !/^[\x20-\x7e]*$/.test(value) || value !== value.trim() || value.includes('  ');
}

function freeName(name: string, taken: ReadonlyMap<string, string>): string {
  let plain = name.toLowerCase().replace(/[^a-z0-9_]/g, '_');
  if (plain === '' || /^[0-9]/.test(plain) || RESERVED.test(plain)) plain = `_${plain}`;
  let free = plain;
  for (let i = 2; taken.has(free); i++) free = `${plain}_${i}`;
  return free;
}

function markerCost(text: string | null, others: readonly string[], marker: string): number {
  if (text === null) return 0;
  return text.length + (others.length === 0 ? marker.length : 1);
}

function encodeValue(value: string): string {
  return value === '' ? '%' : encodeText(value);
}

/** Half a surrogate pair cannot travel; it becomes the replacement character. */
function encodeText(text: string): string {
  return encodeURIComponent(text.toWellFormed());
}

function decodeValue(value: string): string {
  return value === '%' ? '' : decodeText(value);
}

function decodeText(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
