/** A description as JSON Schema (draft 2020-12), for the API and for editors. */
import type { Field, Fields } from './fields.ts';
import type { Json } from '../model/json.ts';
import { defaultOf, isRequired, isWholeNumber } from './config-conditions.ts';

type Schema = { readonly [key: string]: Json };

/**
 * Accepts what `parseConfig` accepts in its plain form: real booleans and numbers, no empty texts.
 * Secrets are `writeOnly`; a conditional field is required, or refused, by `if`/`then`/`else`.
 */
export function toJsonSchema(fields: Fields): Schema {
  const entries = Object.entries(fields);
  const required = entries.filter(([, field]) => field.when === undefined && isRequired(field)).map(([name]) => name);
  const conditions = entries
    .filter(([, field]) => field.when !== undefined)
    .map(([name, field]) => conditional(fields, name, field));
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    type: 'object',
    properties: Object.fromEntries(entries.map(([name, field]) => [name, property(field)])),
    required,
    ...(conditions.length === 0 ? {} : { allOf: conditions }),
    additionalProperties: false,
  };
}

function property(field: Field): Schema {
  const common = { title: field.label, description: field.help };
  switch (field.type) {
    case 'secret':
      return { ...common, type: 'string', minLength: 1, writeOnly: true, format: 'password' };
    case 'flag':
      return { ...common, type: 'boolean', default: field.default };
    case 'choice':
      return { ...common, type: 'string', enum: field.choices.map((choice) => choice.value), default: field.default };
    case 'number':
      return {
        ...common,
        type: isWholeNumber(field) ? 'integer' : 'number',
        minimum: field.min,
        maximum: field.max,
        ...(field.default === undefined ? {} : { default: field.default }),
      };
    case 'text':
      return {
        ...common,
        type: 'string',
        minLength: field.lengthMin ?? 1,
        ...(field.lengthMax === undefined ? {} : { maxLength: field.lengthMax }),
        ...(field.pattern === undefined ? {} : { pattern: `^(?:${field.pattern})$` }),
        ...(field.format === 'url' ? { format: 'uri' } : {}),
        ...(field.example === undefined ? {} : { examples: [field.example] }),
        ...(field.default === undefined ? {} : { default: field.default }),
      };
  }
}

function conditional(fields: Fields, name: string, field: Field): Schema {
  const standing = defaultOf(field);
  return {
    if: { allOf: conditionsOf(fields, field, new Set([name])) },
    // oxlint-disable-next-line unicorn/no-thenable -- a word of JSON Schema
    then: isRequired(field) ? { required: [name] } : {},
    // Its default is harmless where it does not apply, as for `parseConfig`.
    else: { properties: { [name]: standing === undefined ? false : { const: standing } } },
  };
}

/** The field's own condition and those of the fields it hangs on. */
function conditionsOf(fields: Fields, field: Field, seen: Set<string>): Schema[] {
  const when = field.when;
  if (when === undefined) return [];
  const controlling = Object.hasOwn(fields, when.field) ? fields[when.field] : undefined;
  if (controlling === undefined || seen.has(when.field)) return [{ not: {} }];
  seen.add(when.field);
  const values = when.in.map((value) => typed(controlling, value));
  const standing = defaultOf(controlling);
  const holdsWhenEmpty = standing !== undefined && when.in.includes(String(standing));
  return [
    {
      properties: { [when.field]: { enum: values } },
      ...(holdsWhenEmpty ? {} : { required: [when.field] }),
    },
    ...conditionsOf(fields, controlling, seen),
  ];
}

function typed(field: Field, value: string): Json {
  if (field.type === 'flag') return value === 'true';
  return field.type === 'number' ? Number(value) : value;
}
