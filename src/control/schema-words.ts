/** What a schema has against a value, in sentences that say what to give instead. Pure. */
import type { z } from 'zod';

export interface SchemaProblem {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** `input`: what was parsed, so that what is missing and what is wrong can be told apart. */
export function schemaProblems(error: z.ZodError, input: unknown): readonly SchemaProblem[] {
  return error.issues.flatMap((issue): SchemaProblem[] => {
    const { path } = issue;
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => ({ path: [...path, key], message: `There is no member "${key}".` }));
    }
    return [{ path, message: wordsOf(issue, valueAt(input, path)) }];
  });
}

/** Sentences of our schemas stay; those of the library are made into ours. */
function wordsOf(issue: z.core.$ZodIssue, given: unknown): string {
  if (/^[A-Z][^:]*\.$/.test(issue.message)) return issue.message;
  const wanted = wantedBy(issue);
  if (wanted === null) {
    const words = issue.message.replace(/\.$/, '');
    return given === undefined ? `This is missing. ${words}.` : `${words}.`;
  }
  if (given !== undefined) return `Give ${wanted}.`;
  return wanted.startsWith('one of') ? `This is missing; give ${wanted}.` : 'This is missing.';
}

function wantedBy(issue: z.core.$ZodIssue): string | null {
  switch (issue.code) {
    case 'invalid_type':
      return typeWords(issue.expected);
    case 'invalid_value':
      return oneOf(issue.values.map(String));
    case 'invalid_union': {
      // A choice between shapes, told apart by one member: only the values of that member help.
      const { options } = issue as { readonly options?: readonly unknown[] };
      if (options !== undefined) return oneOf(options.map(String));
      const ways = issue.errors.map(([first]) => (first === undefined ? null : wantedBy(first)));
      const known = [...new Set(ways.filter((way) => way !== null))];
      return known.length === ways.length ? known.join(' or ') : null;
    }
    case 'too_small':
      return sizeWords(issue.origin, issue.inclusive === false ? 'more than' : 'at least', issue.minimum);
    case 'too_big':
      return sizeWords(issue.origin, issue.inclusive === false ? 'less than' : 'at most', issue.maximum);
    case 'invalid_format':
      return FORMATS[issue.format] ?? null;
    default:
      return null;
  }
}

function oneOf(values: readonly string[]): string {
  return values.length === 1 ? String(values[0]) : `one of: ${values.join(', ')}`;
}

function typeWords(type: string): string {
  const word = TYPES[type] ?? type;
  return /^[aeiou]/.test(word) ? `an ${word}` : `a ${word}`;
}

const TYPES: Readonly<Record<string, string>> = { int: 'whole number', record: 'object', array: 'list' };
const FORMATS: Readonly<Record<string, string>> = { url: 'an address such as https://example.com', uuid: 'an id' };

function sizeWords(
  origin: string,
  bound: 'at least' | 'more than' | 'at most' | 'less than',
  limit: number | bigint,
): string {
  const one = Number(limit) === 1;
  if (origin === 'string') {
    if (bound === 'at least' && one) return 'some text';
    return `${bound} ${limit} ${one ? 'character' : 'characters'}`;
  }
  if (origin === 'array' || origin === 'set') return `${bound} ${limit} ${one ? 'entry' : 'entries'}`;
  return `${bound} ${limit}`;
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, step) =>
      typeof value === 'object' && value !== null ? (value as Record<PropertyKey, unknown>)[step] : undefined,
    input,
  );
}
