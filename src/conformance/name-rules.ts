/** What `NameRules` say about a key, decided here independently of any provider. */
import type { Manifest } from '../contract/provider.ts';
import { ALL_NAMES, type NameRules } from '../model/names.ts';
import { keyLengthBytes } from '../model/key.ts';

/** Whether a target with these rules has to take the key (of an object with content) or to refuse it. */
export function canHold(rules: NameRules, fullKey: string): boolean {
  const points = Array.from(fullKey, (character) => character.codePointAt(0) as number);
  const segments = fullKey.replace(/\/$/, '').split('/');
  return (
    fullKey !== '' &&
    fits(keyLengthBytes(fullKey), rules.keyBytesMax) &&
    fits(points.length, rules.keyCharactersMax) &&
    fits(segments.length, rules.segmentsMax) &&
    segments.every((segment) => fits(keyLengthBytes(segment), rules.segmentBytesMax)) &&
    (rules.emptySegments || segments.every((segment) => segment !== '')) &&
    (rules.dotSegments || !segments.some(isDots)) &&
    (rules.trailingDot || !segments.some((segment) => segment.endsWith('.') && !isDots(segment))) &&
    (rules.trailingSpace || !segments.some((segment) => segment.endsWith(' '))) &&
    (rules.trailingSlashContent || !fullKey.endsWith('/')) &&
    (rules.invalidUtf8 || fullKey.isWellFormed()) &&
    !points.some((point) => rules.forbidden.some((range) => point >= range.from && point <= range.to))
  );
}

function isDots(segment: string): boolean {
  return segment === '.' || segment === '..';
}

function fits(value: number, max: number | null): boolean {
  return max === null || value <= max;
}

/** Rules for seeding: those of the target side, or everything where the provider is a source only. */
export function rulesOf(manifest: Manifest): NameRules {
  return manifest.target?.names ?? ALL_NAMES;
}

/** Those of the keys that can stand together in a place of this provider. */
export function holdable(manifest: Manifest, prefix: string, keys: readonly string[]): string[] {
  const rules = rulesOf(manifest);
  const kept: string[] = [];
  const folded = new Set<string>();
  for (const key of keys) {
    if (!canHold(rules, prefix + key)) continue;
    if (!rules.caseSensitive && folded.has(key.toLowerCase())) continue;
    const clashes = kept.some((other) => other.startsWith(`${key}/`) || key.startsWith(`${other}/`));
    if (!rules.objectAndPrefix && clashes) continue;
    kept.push(key);
    folded.add(key.toLowerCase());
  }
  return kept;
}
