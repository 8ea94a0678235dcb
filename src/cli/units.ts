/** Values of options as people type them. Pure; every error names the option. */
import { DroverError } from '../model/errors.ts';
import type { Policy } from '../model/policy.ts';

/** Reads the value, and says which option it belongs to when it cannot be read. */
export function named<T>(text: string, option: string, parse: (text: string) => T): T {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof DroverError) || error.code !== 'USAGE') throw error;
    throw new DroverError('USAGE', `${option}: ${error.message}`, { field: option, remedy: `Correct ${option}.` });
  }
}

/** A whole number from `min` to `max`. */
export function parseCount(text: string, option: string, min: number, max: number): number {
  const value = /^\d+$/.test(text.trim()) ? Number(text) : Number.NaN;
  if (!(value >= min && value <= max)) throw wrong(option, text, `a whole number from ${min} to ${max}`);
  return value;
}

/** `500`, or `10%` of the target's objects; `default`: as if nothing were said. */
export function parseDeleteCap(
  text: string,
  option: string,
): { countMax: number | null; shareMax: Policy['deleteShareMax'] } {
  if (text.trim().toLowerCase() === 'default') return { countMax: null, shareMax: 'default' };
  const share = /^(\d+(?:\.\d+)?)\s*%$/.exec(text.trim());
  if (share !== null && Number(share[1]) <= 100) return { countMax: null, shareMax: Number(share[1]) / 100 };
  if (/^\d{1,15}$/.test(text.trim())) return { countMax: Number(text), shareMax: null };
  throw wrong(option, text, 'a number of objects such as 500, or a share such as 10%');
}

/** The choice as it stands in the table, whatever the case it was typed in. */
export function parseChoice<const T extends string>(text: string, option: string, choices: readonly T[]): T {
  const found = choices.find((choice) => choice.toLowerCase() === text.toLowerCase());
  if (found === undefined) throw wrong(option, text, `one of ${choices.join(', ')}`);
  return found;
}

/** `failed,unsupported`: a list of choices with commas between. `[]` where nothing was given. */
export function parseChoices<const T extends string>(
  text: string | undefined,
  option: string,
  choices: readonly T[],
): T[] {
  return (text?.split(',') ?? []).map((word) => parseChoice(word.trim(), option, choices));
}

function wrong(option: string, text: string, expected: string): DroverError {
  return new DroverError('USAGE', `${option} needs ${expected}; "${text}" is not.`, {
    field: option,
    remedy: `Correct ${option}.`,
  });
}

/** `15m`, `6h`, `1d`. Whole minutes. */
export function parseMinutes(text: string, option: string): number {
  const match = /^(\d{1,6})\s*(m|min|h|d)$/.exec(text.trim());
  if (match === null) throw wrong(option, text, 'a time such as 15m, 6h or 1d');
  return Number(match[1]) * { m: 1, min: 1, h: 60, d: 24 * 60 }[match[2] as 'm' | 'min' | 'h' | 'd'];
}
