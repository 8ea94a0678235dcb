/**
 * Names that a target cannot hold, changed by one deterministic rule so that every run finds the same names again.
 *
 * A key that the target can hold stays as it is. In any other key, exactly what offends is percent-escaped (the UTF-8
 * bytes of a forbidden character, a byte that is not UTF-8, `.` of dot names and at the end of a name, a space at the
 * end of a name, a `/` that would make an empty name or would end an object's name), and a `%` that already looks like
 * an escape becomes `%25`, so that percent-decoding gives the original back. Names and keys that are too long are cut
 * and end with `~` and 16 hexadecimal digits of the original's SHA-256; only these cannot be decoded. Where a target
 * takes two names for one, one item keeps the name and the others get it with such an ending.
 *
 * Rules must allow `%`, `~`, letters and digits, and lengths of 64 or more.
 */
import { createHash } from 'node:crypto';
import type { EntryKind } from '../model/entry.ts';
import { keyFromBytes, keyLengthBytes, keyToBytes } from '../model/key.ts';
import type { NameRules } from '../model/names.ts';

const ESCAPED_SLASH = '%2F';
const ESCAPED_PERCENT = '%25';
/** A folder whose name is empty: there is nothing in it to escape. */
const NAMELESS_FOLDER = '%/';
const HASH_DIGITS = 16;
const OBJECT_SUFFIX = '~object';
const LOOKS_ESCAPED = /%[0-9A-F]{2}/;
const STARTS_ESCAPED = /^%[0-9A-F]{2}/;
/** With the `u` flag whole characters, and what is no valid UTF-8 byte by byte. */
const ESCAPE_OR_CHARACTER = /%[0-9A-F]{2}|./gsu;
const VARIANT = /^(.+)~[0-9a-f]{16}$/s;
const LOOKS_CUT = /~[0-9a-f]{16}(?=\/|$)/;

/** The name under which `key` stands at the target. Always one the target can hold; `key` itself where that is one. */
export function mapKey(key: string, rules: NameRules, kind: EntryKind = 'object'): string {
  if (!needsMapping(key, rules, kind)) return key;
  const isFolder = kind === 'folder';
  const body = isFolder && key.endsWith('/') ? key.slice(0, -1) : key;
  if (isFolder && body === '') return NAMELESS_FOLDER;
  const mark = isFolder ? '/' : '';
  const segments = cutIntoSegments(body, rules, isFolder).map((segment) => mapSegment(segment, rules));
  return cutKey(key, segments, mark, rules) + mark;
}

/** True when the target cannot hold the key as it is. */
export function needsMapping(key: string, rules: NameRules, kind: EntryKind = 'object'): boolean {
  const isFolder = kind === 'folder';
  const body = isFolder && key.endsWith('/') ? key.slice(0, -1) : key;
  if (isTooLong(key, rules)) return true;
  const segments = body.split('/');
  if (rules.segmentsMax !== null && segments.length > rules.segmentsMax) return true;
  const endsWithSlash = !isFolder && segments.length > 1 && segments.at(-1) === '';
  if (endsWithSlash && !rules.trailingSlashContent) return true;
  const names = endsWithSlash ? segments.slice(0, -1) : segments;
  return names.some((name) => !isSegmentHeld(name, rules)) || !areCharactersHeld(key, rules);
}

/**
 * True when `key`, although the target can hold it, may be what another key is mapped to. Such keys go through the
 * same detection of collisions as the mapped ones.
 */
export function isMappedForm(key: string, rules: NameRules): boolean {
  if (LOOKS_CUT.test(key) && hasLengthLimit(rules)) return true;
  if (!rules.caseSensitive && variantStem(key) !== null) return true;
  if (!rules.objectAndPrefix && key.endsWith(OBJECT_SUFFIX)) return true;
  if (key === NAMELESS_FOLDER) return !rules.emptySegments;
  if (!LOOKS_ESCAPED.test(key)) return false;
  const original = decodeMapped(key);
  return (['object', 'folder'] as const).some(
    (kind) => needsMapping(original, rules, kind) && mapKey(original, rules, kind) === key,
  );
}

/** The original of a mapped key that was not cut. */
export function decodeMapped(key: string): string {
  if (key === NAMELESS_FOLDER) return '/';
  const bytes = keyToBytes(key);
  const decoded: number[] = [];
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] as number;
    const digits = byte === 0x25 ? String.fromCharCode(bytes[at + 1] ?? 0, bytes[at + 2] ?? 0) : '';
    if (/^[0-9A-F]{2}$/.test(digits)) {
      decoded.push(Number.parseInt(digits, 16));
      at += 2;
    } else decoded.push(byte);
  }
  return keyFromBytes(Uint8Array.from(decoded));
}

/**
 * The name of an object `a` at a target that cannot hold it beside `a/b`: `a~object`. A literal `a~object` counts as
 * a mapped form, so the two are noticed if both exist.
 */
export function objectBesidePrefixName(key: string, rules: NameRules): string {
  return mapKey(mapKey(key, rules) + OBJECT_SUFFIX, rules);
}

/** True for the names that `objectBesidePrefixName` gives. */
export function isBesideName(name: string, rules: NameRules): boolean {
  return !rules.objectAndPrefix && name.endsWith(OBJECT_SUFFIX);
}

/** The source's key that this name at the target most likely stands for; names that were cut cannot be told. */
export function originalOf(name: string, rules: NameRules): string {
  const stem = rules.caseSensitive ? null : variantStem(name);
  if (stem !== null && hashOf(decodeMapped(stem)) === name.slice(stem.length + 1)) return decodeMapped(stem);
  return decodeMapped(isBesideName(name, rules) ? name.slice(0, -OBJECT_SUFFIX.length) : name);
}

/**
 * The name of `key` where another item has `name`, which would be its own, because the target takes the two for one:
 * it ends with a hash of the key, so it is another one for each key and the same in every run.
 */
export function variantName(name: string, key: string, rules: NameRules): string {
  const pieces = name.match(ESCAPE_OR_CHARACTER) ?? [];
  const most = rules.segmentBytesMax ?? Number.POSITIVE_INFINITY;
  return cutWithHash(pieces, key, (_bytes, text) => {
    return !isTooLong(text, rules) && keyLengthBytes(text.slice(text.lastIndexOf('/') + 1)) <= most;
  }).join('');
}

/** The name that such a name was made from, unless it had to be cut; `null` when it does not look like one. */
export function variantStem(name: string): string | null {
  return VARIANT.exec(name)?.[1] ?? null;
}

/** One text for all names that a target without case takes for the same one. */
export function foldKey(key: string): string {
  let folded = '';
  for (const character of key.normalize('NFC')) {
    // By single characters, as file systems do: `ß` is not `SS`.
    const upper = character.toUpperCase();
    const lower = (isOneCharacter(upper) ? upper : character).toLowerCase();
    folded += isOneCharacter(lower) ? lower : character;
  }
  return folded.normalize('NFC');
}

function isOneCharacter(text: string): boolean {
  return text.length === 1 || (text.length === 2 && (text.codePointAt(0) as number) > 0xffff);
}

interface Segment {
  /** What stands in the source's key. */
  readonly original: string;
  /** With the slashes that do not separate escaped already; everything else still literal, one piece per character. */
  readonly pieces: readonly string[];
}

/** Cuts at the slashes that may stay slashes; the others become part of a name. */
function cutIntoSegments(body: string, rules: NameRules, isFolder: boolean): readonly Segment[] {
  const points = Array.from(body);
  const segments: Segment[] = [];
  let original = '';
  let pieces: string[] = [];
  const most = rules.segmentsMax ?? Number.POSITIVE_INFINITY;
  points.forEach((point, index) => {
    if (point !== '/') {
      original += point;
      pieces.push(point);
      return;
    }
    const isLast = index === points.length - 1;
    // Slashes in a row all become part of the next name: a folder of escaped slashes alone could be an object's name too.
    const isEmptyBefore = pieces.every((piece) => piece === ESCAPED_SLASH) && !rules.emptySegments;
    const isEmptyAfter = isLast && (isFolder ? !rules.emptySegments : !rules.trailingSlashContent);
    if (isEmptyBefore || isEmptyAfter || segments.length + 1 >= most) {
      original += point;
      pieces.push(ESCAPED_SLASH);
      return;
    }
    segments.push({ original, pieces });
    original = '';
    pieces = [];
  });
  segments.push({ original, pieces });
  return segments;
}

/** The pieces of one name that the target can hold: characters and escapes, never to be cut inside. */
function mapSegment({ original, pieces }: Segment, rules: NameRules): readonly string[] {
  const isDots = !rules.dotSegments && (original === '.' || original === '..');
  const mapped = pieces.map((piece, index) => {
    if (piece === ESCAPED_SLASH) return piece;
    if (piece === '%' && STARTS_ESCAPED.test(pieces.slice(index, index + 3).join(''))) return ESCAPED_PERCENT;
    const isOffending = isDots || !isCharacterHeld(piece, rules) || isOffendingEnd(pieces, index, rules);
    return isOffending ? escapeCharacter(piece) : piece;
  });
  const most = rules.segmentBytesMax;
  return most === null || bytesOf(mapped) <= most ? mapped : cutWithHash(mapped, original, (head) => head <= most);
}

function isOffendingEnd(pieces: readonly string[], index: number, rules: NameRules): boolean {
  if (index !== pieces.length - 1) return false;
  return (pieces[index] === '.' && !rules.trailingDot) || (pieces[index] === ' ' && !rules.trailingSpace);
}

/** Joins the names, and cuts the whole key when it is too long. */
function cutKey(key: string, segments: readonly (readonly string[])[], mark: string, rules: NameRules): string {
  const pieces = segments.flatMap((segment, index) => (index === 0 ? segment : ['/', ...segment]));
  const whole = pieces.join('');
  if (!isTooLong(whole + mark, rules)) return whole;
  const segmentMost = rules.segmentBytesMax ?? Number.POSITIVE_INFINITY;
  return cutWithHash(pieces, key, (_bytes, text) => {
    return !isTooLong(text + mark, rules) && keyLengthBytes(text.slice(text.lastIndexOf('/') + 1)) <= segmentMost;
  }).join('');
}

function cutWithHash(
  pieces: readonly string[],
  original: string,
  isShortEnough: (bytes: number, text: string) => boolean,
): readonly string[] {
  const suffix = Array.from(`~${hashOf(original)}`);
  const head = [...pieces];
  for (;;) {
    const text = [...head, ...suffix].join('');
    if (isShortEnough(keyLengthBytes(text), text) || head.length === 0) return [...head, ...suffix];
    head.pop();
  }
}

function hashOf(original: string): string {
  return createHash('sha256').update(keyToBytes(original)).digest('hex').slice(0, HASH_DIGITS);
}

function isTooLong(key: string, rules: NameRules): boolean {
  if (rules.keyCharactersMax !== null && key.length > rules.keyCharactersMax) return true;
  return rules.keyBytesMax !== null && keyLengthBytes(key) > rules.keyBytesMax;
}

function hasLengthLimit(rules: NameRules): boolean {
  return rules.keyBytesMax !== null || rules.keyCharactersMax !== null || rules.segmentBytesMax !== null;
}

function isSegmentHeld(name: string, rules: NameRules): boolean {
  if (name === '') return rules.emptySegments;
  if (!rules.dotSegments && (name === '.' || name === '..')) return false;
  if (!rules.trailingDot && name.endsWith('.')) return false;
  if (!rules.trailingSpace && name.endsWith(' ')) return false;
  return rules.segmentBytesMax === null || keyLengthBytes(name) <= rules.segmentBytesMax;
}

function areCharactersHeld(key: string, rules: NameRules): boolean {
  if (rules.forbidden.length === 0) return rules.invalidUtf8 || key.isWellFormed();
  for (const character of key) if (character !== '/' && !isCharacterHeld(character, rules)) return false;
  return true;
}

function isCharacterHeld(character: string, rules: NameRules): boolean {
  const point = character.codePointAt(0) as number;
  if (point >= 0xd800 && point <= 0xdfff && !rules.invalidUtf8) return false;
  return !rules.forbidden.some(({ from, to }) => from <= point && point <= to);
}

function escapeCharacter(character: string): string {
  let escaped = '';
  for (const byte of keyToBytes(character)) escaped += `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  return escaped;
}

function bytesOf(pieces: readonly string[]): number {
  return keyLengthBytes(pieces.join(''));
}
