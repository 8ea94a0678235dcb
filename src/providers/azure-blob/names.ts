/** Blob names on the wire, and which names the service can hold. */
import type { EntryKind } from '../../model/entry.ts';
import { DroverError } from '../../model/errors.ts';
import type { NameRules } from '../../model/names.ts';

const NAME_CHARACTERS_MAX = 1024;
const NAME_SEGMENTS_MAX = 254;

/**
 * A blob name for a URL path: everything outside the unreserved characters is percent-encoded, `/` stays. Dot segments
 * and empty segments are left exactly as they are: whoever normalises them would address another blob.
 */
export function encodeBlobName(name: string): string {
  if (!name.isWellFormed()) {
    throw new DroverError('UNREPRESENTABLE', `The name "${name.toWellFormed()}" holds bytes that are not UTF-8.`, {
      key: name,
    });
  }
  return encodeURIComponent(name)
    .replace(/%2F/g, '/')
    .replace(/[!'()*]/g, percent);
}

/** A query value: everything outside the unreserved characters is percent-encoded. */
export function encodeQueryValue(value: string): string {
  return encodeURIComponent(value.toWellFormed()).replace(/[!'()*]/g, percent);
}

/** Undoes the encoding that listings use (`Encoded="true"`) for names XML cannot carry. */
export function decodeListedName(text: string, isEncoded: boolean): string {
  if (!isEncoded) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/**
 * What the service can hold below a place. Names that end a segment with a dot are altered by some of its clients, and
 * a backslash becomes a slash, so both count as not holdable.
 */
export function nameRules(prefix: string, isHierarchical: boolean): NameRules {
  return {
    keyBytesMax: null,
    keyCharactersMax: NAME_CHARACTERS_MAX - prefix.length,
    segmentBytesMax: null,
    segmentsMax: NAME_SEGMENTS_MAX - (prefix.split('/').length - 1),
    emptySegments: !isHierarchical,
    dotSegments: false,
    trailingDot: false,
    trailingSpace: true,
    trailingSlashContent: !isHierarchical,
    forbidden: [
      { from: 0x00, to: 0x1f },
      { from: 0x5c, to: 0x5c },
      { from: 0x7f, to: 0x9f },
      { from: 0xfffe, to: 0xffff },
    ],
    invalidUtf8: false,
    objectAndPrefix: !isHierarchical,
    caseSensitive: true,
  };
}

/** UNREPRESENTABLE when the rules say that the key cannot be held; nothing has been sent then. */
export function refuseName(key: string, rules: NameRules, kind: EntryKind): void {
  const why = whyNotHeld(kind === 'folder' ? key.replace(/\/$/, '') : key, rules);
  if (why === null) return;
  throw new DroverError('UNREPRESENTABLE', `"${key.toWellFormed()}" cannot be the name of a blob: ${why}.`, { key });
}

function whyNotHeld(name: string, rules: NameRules): string | null {
  const points = Array.from(name, (character) => character.codePointAt(0) as number);
  const segments = name.replace(/\/$/, '').split('/');
  if (name === '') return 'it is empty';
  if (!name.isWellFormed()) return 'it holds bytes that are not UTF-8';
  if (rules.keyCharactersMax !== null && points.length > rules.keyCharactersMax) {
    return `it is longer than ${rules.keyCharactersMax} characters`;
  }
  if (rules.segmentsMax !== null && segments.length > rules.segmentsMax)
    return `it is nested deeper than ${rules.segmentsMax} folders`;
  if (points.some((point) => rules.forbidden.some((range) => point >= range.from && point <= range.to))) {
    return 'it holds a control character or a backslash';
  }
  if (segments.some((segment) => segment.endsWith('.'))) return 'a part of it ends with a dot';
  if (!rules.emptySegments && segments.includes('')) return 'a part of it is empty';
  return !rules.trailingSlashContent && name.endsWith('/') ? 'it ends with a slash' : null;
}

/** True for names the service accepts for a container. */
export function isContainerName(name: string): boolean {
  if (name === '$root' || name === '$web' || name === '$logs') return true;
  return name.length >= 3 && name.length <= 63 && /^[a-z0-9](?:-?[a-z0-9])*$/.test(name);
}

function percent(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
}
