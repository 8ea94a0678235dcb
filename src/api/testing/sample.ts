/** A value that a schema accepts: the smallest one, so that every route can be called without writing bodies by hand. */
import { z } from 'zod';

type Schema = Record<string, unknown> & { $defs?: Record<string, Schema> };

export const SAMPLE_UUID = '01890000-0000-7000-8000-000000000001';
export const SAMPLE_RUN_ID = '01hzsamplerun0';
const SAMPLE_TIME = '2026-03-01T08:00:00.000Z';

export function sampleOf(schema: z.ZodType, io: 'input' | 'output' = 'input'): unknown {
  const root = z.toJSONSchema(schema, { io, unrepresentable: 'any' }) as Schema;
  return make(root, root.$defs ?? {});
}

function make(schema: Schema, defs: Record<string, Schema>): unknown {
  const { $ref, anyOf, oneOf, allOf, type } = schema as Record<string, unknown>;
  if (typeof $ref === 'string') return make(defs[$ref.split('/').at(-1) as string] as Schema, defs);
  if ('const' in schema) return schema['const'];
  if (Array.isArray(schema['enum'])) return (schema['enum'] as unknown[])[0];
  const choices = (anyOf ?? oneOf ?? allOf) as Schema[] | undefined;
  if (choices !== undefined) return make(choices[0] as Schema, defs);
  const first = Array.isArray(type) ? type[0] : type;
  switch (first) {
    case 'object':
      return object(schema, defs);
    case 'array':
      return Number(schema['minItems'] ?? 0) > 0 ? [make(schema['items'] as Schema, defs)] : [];
    case 'string':
      return text(schema);
    case 'number':
    case 'integer':
      return Number(schema['minimum'] ?? (schema['exclusiveMinimum'] === undefined ? 0 : 1));
    case 'boolean':
      return false;
    default:
      return null;
  }
}

function object(schema: Schema, defs: Record<string, Schema>): unknown {
  const members = (schema['properties'] ?? {}) as Record<string, Schema>;
  const required = (schema['required'] ?? []) as string[];
  return Object.fromEntries(required.map((name) => [name, make(members[name] ?? {}, defs)]));
}

function text({ pattern, format, minLength }: Schema): string {
  if (format === 'date-time') return SAMPLE_TIME;
  if (format === 'guid' || format === 'uuid') return SAMPLE_UUID;
  if (pattern === '^[a-z0-9]{8,26}$') return SAMPLE_RUN_ID;
  if (typeof pattern === 'string' && new RegExp(pattern).test('06:30')) return '06:30';
  return 'x'.repeat(Number(minLength ?? 1));
}
