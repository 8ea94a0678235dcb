/** Whether a store with these rules can hold a name. */
import type { NameRules } from '../../model/names.ts';
import { keyLengthBytes } from '../../model/key.ts';

/** Why the name cannot be held, as the end of a sentence; `null` when it can. */
export function nameProblem(rules: NameRules, fullKey: string): string | null {
  if (fullKey === '') return 'is empty';
  if (rules.keyBytesMax !== null && keyLengthBytes(fullKey) > rules.keyBytesMax) {
    return `is longer than ${rules.keyBytesMax} bytes`;
  }
  const characters = Array.from(fullKey);
  if (rules.keyCharactersMax !== null && characters.length > rules.keyCharactersMax) {
    return `is longer than ${rules.keyCharactersMax} characters`;
  }
  if (!rules.invalidUtf8 && !fullKey.isWellFormed()) return 'is not valid UTF-8';
  for (const character of characters) {
    const point = character.codePointAt(0) as number;
    if (rules.forbidden.some((range) => point >= range.from && point <= range.to)) {
      return `holds the character U+${point.toString(16).toUpperCase().padStart(4, '0')}`;
    }
  }
  return segmentProblem(rules, fullKey);
}

/** The rules for keys within a place, whose prefix takes its share of every limit. */
export function namesWithin(rules: NameRules, prefix: string): NameRules {
  const less = (max: number | null, taken: number): number | null => (max === null ? null : Math.max(0, max - taken));
  return {
    ...rules,
    keyBytesMax: less(rules.keyBytesMax, keyLengthBytes(prefix)),
    keyCharactersMax: less(rules.keyCharactersMax, Array.from(prefix).length),
    segmentsMax: less(rules.segmentsMax, prefix.split('/').length - 1),
  };
}

function segmentProblem(rules: NameRules, fullKey: string): string | null {
  const path = fullKey.endsWith('/') ? fullKey.slice(0, -1) : fullKey;
  const segments = path.split('/');
  if (rules.segmentsMax !== null && segments.length > rules.segmentsMax) {
    return `has more than ${rules.segmentsMax} segments`;
  }
  for (const segment of segments) {
    if (segment === '' && !rules.emptySegments) return 'has an empty segment';
    if ((segment === '.' || segment === '..') && !rules.dotSegments) return 'has a segment "." or ".."';
    if (segment.endsWith('.') && segment !== '.' && segment !== '..' && !rules.trailingDot) {
      return 'has a segment that ends with a dot';
    }
    if (segment.endsWith(' ') && !rules.trailingSpace) return 'has a segment that ends with a space';
    if (rules.segmentBytesMax !== null && keyLengthBytes(segment) > rules.segmentBytesMax) {
      return `has a segment of more than ${rules.segmentBytesMax} bytes`;
    }
  }
  return null;
}
