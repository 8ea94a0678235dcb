/** Everything that derives from a description of fields: parsing, names, prompts, secrets, schema and documentation. */
import type {
  ChoiceField,
  Config,
  Field,
  FieldProblem,
  Fields,
  NumberField,
  SecretField,
  TextField,
} from './fields.ts';
import { appliesFrom, defaultOf, isRequired, isWholeNumber, parseFlag } from './config-conditions.ts';

export { environmentNames, fromEnvironment } from './config-environment.ts';
export { questions, type Question } from './config-questions.ts';
export { MASK, redact, secretValues, splitSecrets } from './config-secrets.ts';
export { toJsonSchema } from './config-schema.ts';
export { toMarkdown } from './config-markdown.ts';

export type ParseResult =
  { readonly config: Config; readonly problems?: undefined } | { readonly problems: readonly FieldProblem[] };

type Value = string | boolean | number;
type Parsed = { readonly value: Value } | { readonly problem: string } | null;

/**
 * Checks untrusted input (a form, JSON, the environment, prompts) against a description.
 * Texts are trimmed, `''` and `null` mean "left empty", flags and numbers may come as texts, defaults are filled in.
 * Every missing, wrong or unknown field gives one problem that names it; no problem ever quotes what was entered,
 * because a secret may have been pasted into the wrong field.
 */
export function parseConfig(fields: Fields, input: unknown): ParseResult {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    return { problems: [{ field: '', message: 'Give the fields as an object with one value for each name.' }] };
  }
  const given = input as Readonly<Record<string, unknown>>;
  const problems = new Map<string, string>();
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(fields, name)) problems.set(name, unknownMessage(fields));
  }
  const parsed = new Map<string, Parsed>();
  for (const [name, field] of Object.entries(fields)) {
    parsed.set(name, parseValue(field, Object.hasOwn(given, name) ? given[name] : undefined));
  }
  const applies = appliesFrom(fields, (name) => {
    const outcome = parsed.get(name);
    if (outcome === null || outcome === undefined) return { state: 'empty' };
    return 'value' in outcome ? { state: 'known', value: outcome.value } : { state: 'open' };
  });
  const config: Record<string, Value> = {};
  for (const [name, field] of Object.entries(fields)) {
    const outcome = parsed.get(name) ?? null;
    const needed = applies(name);
    const problem = problemOf(fields, field, outcome, needed);
    if (problem !== null) problems.set(name, problem);
    else if (needed === 'yes') {
      const value = outcome !== null && 'value' in outcome ? outcome.value : defaultOf(field);
      if (value !== undefined) config[name] = value;
    }
  }
  if (problems.size === 0) return { config };
  return { problems: [...problems].map(([field, message]) => ({ field, message })) };
}

function problemOf(fields: Fields, field: Field, outcome: Parsed, needed: 'yes' | 'no' | 'unknown'): string | null {
  if (needed === 'no') {
    // Forms send hidden fields along with their defaults; only a real value is a contradiction.
    if (outcome === null || ('value' in outcome && outcome.value === defaultOf(field))) return null;
    return `Leave ${field.label} empty: it is used only ${whenPhrase(fields, field)}.`;
  }
  if (outcome !== null) return 'problem' in outcome ? outcome.problem : null;
  if (needed === 'unknown' || !isRequired(field)) return null;
  return `Fill in ${field.label}${field.when === undefined ? '' : `, which is needed ${whenPhrase(fields, field)}`}.`;
}

function whenPhrase(fields: Fields, field: Field): string {
  if (field.when === undefined) return 'together with other fields';
  const controlling = fields[field.when.field];
  const words = field.when.in.map((value) => choiceLabel(controlling, value));
  return `when ${controlling?.label ?? field.when.field} is ${words.join(' or ')}`;
}

function choiceLabel(field: Field | undefined, value: string): string {
  if (field?.type === 'flag') return value === 'true' ? 'on' : 'off';
  if (field?.type !== 'choice') return `"${value}"`;
  return `"${field.choices.find((choice) => choice.value === value)?.label ?? value}"`;
}

function unknownMessage(fields: Fields): string {
  return `There is no field of this name; remove it or use one of: ${Object.keys(fields).join(', ')}.`;
}

function parseValue(field: Field, raw: unknown): Parsed {
  const value = typeof raw === 'string' ? raw.trim() : raw;
  if (value === undefined || value === null || value === '') return null;
  switch (field.type) {
    case 'text':
    case 'secret':
      return parseText(field, value);
    case 'choice':
      return parseChoice(field, value);
    case 'number':
      return parseNumber(field, value);
    case 'flag': {
      const flag = parseFlag(value);
      return flag === null ? { problem: `Set ${field.label} to true or false.` } : { value: flag };
    }
  }
}

function parseText(field: TextField | SecretField, value: unknown): Parsed {
  if (typeof value !== 'string') return { problem: `Give ${field.label} as text.` };
  if (field.multiline !== true && /[\r\n]/.test(value)) {
    return { problem: `Give ${field.label} on a single line, without line breaks.` };
  }
  if (field.type === 'secret') return { value };
  const length = Array.from(value).length;
  if (field.lengthMin !== undefined && length < field.lengthMin) {
    return { problem: `Make ${field.label} at least ${field.lengthMin} characters long; it has ${length}.` };
  }
  if (field.lengthMax !== undefined && length > field.lengthMax) {
    return { problem: `Make ${field.label} at most ${field.lengthMax} characters long; it has ${length}.` };
  }
  if (field.format === 'url') {
    const problem = urlProblem(field, value);
    if (problem !== null) return { problem };
  }
  if (field.pattern !== undefined && !new RegExp(`^(?:${field.pattern})$`, 'u').test(value)) {
    return { problem: `Correct ${field.label}: it does not have the expected form. ${exampleOf(field)}` };
  }
  return { value };
}

function exampleOf(field: TextField): string {
  return field.example === undefined ? field.help : `An example: ${field.example}`;
}

function urlProblem(field: TextField, value: string): string | null {
  const example = field.example ?? 'https://storage.example.com';
  const url = URL.parse(value);
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    return `Give ${field.label} as an address that starts with https:// or http://, such as ${example}.`;
  }
  if (url.username !== '' || url.password !== '') {
    return `Leave the user name and password out of ${field.label}; credentials have fields of their own.`;
  }
  return null;
}

function parseChoice(field: ChoiceField, value: unknown): Parsed {
  const wanted = typeof value === 'string' ? value : null;
  const match =
    field.choices.find((choice) => choice.value === wanted) ??
    field.choices.find((choice) => choice.value.toLowerCase() === wanted?.toLowerCase());
  if (match !== undefined) return { value: match.value };
  return { problem: `Choose one of these for ${field.label}: ${field.choices.map((c) => c.value).join(', ')}.` };
}

function parseNumber(field: NumberField, value: unknown): Parsed {
  const unit = field.unit === undefined ? '' : ` ${field.unit}`;
  const isWhole = isWholeNumber(field);
  const wanted = `${isWhole ? 'a whole number' : 'a number'} from ${field.min} to ${field.max}${unit}`;
  const number = typeof value === 'string' && /^[+-]?\d+(\.\d+)?$/.test(value) ? Number(value) : value;
  const fits =
    typeof number === 'number' && number >= field.min && number <= field.max && (!isWhole || Number.isInteger(number));
  return fits ? { value: number } : { problem: `Set ${field.label} to ${wanted}.` };
}
