/** Which entries a run leaves out, and why. */
import type { Entry } from '../model/entry.ts';
import type { FilterPolicy } from '../model/policy.ts';
import { compileGlob } from './glob.ts';

interface Pattern {
  readonly text: string;
  readonly matches: (key: string) => boolean;
}

/**
 * Gives the reason why an entry is left out, or `null`. Exclusion beats inclusion. Sizes, ages and storage classes
 * concern objects only. INVALID_INPUT names a pattern that cannot be used.
 *
 * A pattern is matched against the whole key, except that one without `/` is matched against the last name of the key
 * (`*.tmp`), at any depth. A leading `/` stands for the beginning of the key, a trailing `/` for everything below:
 * `/logs/` is the top folder `logs` with its content, `logs/` every folder of that name.
 */
export function compileFilter(filter: FilterPolicy, startedAtMs: number): (entry: Entry) => string | null {
  const includes = filter.include.map(compilePattern);
  const excludes = filter.exclude.map(compilePattern);
  const classes = new Set(filter.excludeClasses.map((name) => name.toLowerCase()));
  return (entry) => {
    const excluded = excludes.find((pattern) => pattern.matches(entry.key));
    if (excluded !== undefined) return `It matches the excluded pattern "${excluded.text}".`;
    if (includes.length > 0 && !includes.some((pattern) => pattern.matches(entry.key))) {
      return 'It matches none of the included patterns.';
    }
    if (entry.kind !== 'object') return null;
    if (entry.storageClass !== null && classes.has(entry.storageClass.toLowerCase())) {
      return `Its storage class ${entry.storageClass} is excluded.`;
    }
    return wrongSize(entry, filter) ?? wrongAge(entry, filter, startedAtMs);
  };
}

function compilePattern(text: string): Pattern {
  const isBelow = text.endsWith('/') && !text.endsWith('\\/') && text.length > 1;
  const body = isBelow ? text.slice(0, -1) : text;
  const isAnchored = body.startsWith('/') && body.length > 1;
  const path = isAnchored ? body.slice(1) : body;
  const isName = !isAnchored && !path.includes('/');
  if (isBelow) return { text, matches: compileGlob(isName ? `**/${path}/**` : `${path}/**`, text) };
  const matches = compileGlob(path, text);
  if (isName) return { text, matches: (key) => matches(lastName(key)) };
  return { text, matches: (key) => matches(key) || (key.endsWith('/') && matches(key.slice(0, -1))) };
}

/** `b` of `a/b` and of the folder `a/b/`. */
function lastName(key: string): string {
  const end = key.endsWith('/') ? key.length - 1 : key.length;
  return key.slice(end === 0 ? 0 : key.lastIndexOf('/', end - 1) + 1, end);
}

function wrongSize({ sizeBytes }: Entry, { sizeBytesMin, sizeBytesMax }: FilterPolicy): string | null {
  if (sizeBytesMin !== null && sizeBytes < sizeBytesMin) return `It is smaller than ${sizeBytesMin} bytes.`;
  if (sizeBytesMax !== null && sizeBytes > sizeBytesMax) return `It is larger than ${sizeBytesMax} bytes.`;
  return null;
}

function wrongAge({ modifiedAtMs }: Entry, filter: FilterPolicy, startedAtMs: number): string | null {
  const { ageMsMin, ageMsMax, modifiedBeforeMs, modifiedAfterMs } = filter;
  const isLimited = [ageMsMin, ageMsMax, modifiedBeforeMs, modifiedAfterMs].some((limit) => limit !== null);
  if (!isLimited) return null;
  if (modifiedAtMs === null) return 'It has no modification time, and ages are limited.';
  const ageMs = startedAtMs - modifiedAtMs;
  const isRecent = (ageMsMin !== null && ageMs < ageMsMin) || isBeyond(modifiedAtMs, modifiedBeforeMs);
  if (isRecent) return 'It was written too recently.';
  const isOld = (ageMsMax !== null && ageMs > ageMsMax) || isBeyond(modifiedAfterMs, modifiedAtMs);
  return isOld ? 'It was written too long ago.' : null;
}

/** Whether both are known and the first is the later one. */
function isBeyond(first: number | null, second: number | null): boolean {
  return first !== null && second !== null && first > second;
}
