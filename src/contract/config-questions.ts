/** What to ask a person next. */
import type { Field, Fields } from './fields.ts';
import { appliesFrom, isRequired, parseFlag } from './config-conditions.ts';

export interface Question {
  readonly name: string;
  readonly field: Field;
  /** An empty answer will not do. */
  readonly required: boolean;
}

/**
 * The fields that can be asked now, in their described order. `known` holds the answers so far; a name that is in it
 * was asked, and `''` or `undefined` there means that it was left empty. A field whose condition hangs on one that was
 * not asked yet comes later: ask, add the answers, call again, until nothing is left.
 */
export function questions(fields: Fields, known: Readonly<Record<string, unknown>>): readonly Question[] {
  const applies = appliesFrom(fields, (name) => {
    if (!Object.hasOwn(known, name)) return { state: 'open' };
    const value = known[name];
    if (value === undefined || value === null || value === '') return { state: 'empty' };
    const flag = fields[name]?.type === 'flag' ? parseFlag(value) : null;
    return { state: 'known', value: flag ?? String(value) };
  });
  return Object.entries(fields)
    .filter(([name]) => !Object.hasOwn(known, name) && applies(name) === 'yes')
    .map(([name, field]) => ({ name, field, required: isRequired(field) }));
}
