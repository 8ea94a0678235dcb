/** Which fields matter and what they are when left empty: the ground that parsing, prompts and schema share. */
import type { Field, Fields, NumberField } from './fields.ts';

/** What is known of a field's value. `empty`: left empty, its default holds. `open`: not known yet, or wrong. */
export type Answer =
  | { readonly state: 'known'; readonly value: string | boolean | number }
  | { readonly state: 'empty' }
  | { readonly state: 'open' };

export type Applies = 'yes' | 'no' | 'unknown';

/** A function that tells for each field whether it applies; a field that hangs on one that does not apply, does not. */
export function appliesFrom(fields: Fields, answer: (name: string) => Answer): (name: string) => Applies {
  const settled = new Map<string, Applies>();
  const applies = (name: string): Applies => {
    const before = settled.get(name);
    if (before !== undefined) return before;
    // Stands while its own condition is looked at, so that a description going in circles ends.
    settled.set(name, 'no');
    const result = evaluate(fields, name, answer, applies);
    settled.set(name, result);
    return result;
  };
  return applies;
}

function evaluate(
  fields: Fields,
  name: string,
  answer: (name: string) => Answer,
  applies: (name: string) => Applies,
): Applies {
  const when = fields[name]?.when;
  if (when === undefined) return 'yes';
  const controlling = fields[when.field];
  if (controlling === undefined) return 'no';
  const parent = applies(when.field);
  if (parent !== 'yes') return parent;
  const known = answer(when.field);
  if (known.state === 'open') return 'unknown';
  const standing = defaultOf(controlling);
  const value = known.state === 'known' ? known.value : standing;
  return value !== undefined && when.in.includes(String(value)) ? 'yes' : 'no';
}

/** `true/false/1/0/yes/no` in any case, and real booleans; `null` for anything else. */
export function parseFlag(value: unknown): boolean | null {
  if (typeof value === 'boolean') return value;
  if (value === 1 || value === 0) return value === 1;
  if (typeof value !== 'string') return null;
  const word = value.toLowerCase();
  if (['true', '1', 'yes'].includes(word)) return true;
  return ['false', '0', 'no'].includes(word) ? false : null;
}

/** The value a field takes when it is left empty. */
export function defaultOf(field: Field): string | boolean | number | undefined {
  return field.type === 'secret' ? undefined : field.default;
}

/** True when a field that applies must be filled in. */
export function isRequired(field: Field): boolean {
  return field.optional !== true && defaultOf(field) === undefined;
}

/** A number field whose bounds and default are whole counts something: fractions are refused. */
export function isWholeNumber(field: NumberField): boolean {
  return Number.isInteger(field.min) && Number.isInteger(field.max) && Number.isInteger(field.default ?? 0);
}
