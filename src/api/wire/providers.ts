/** Providers as forms need them: what each is, and the fields of its connectors. */
import { z } from 'zod';
import type { Field } from '../../contract/fields.ts';
import type { Manifest, SourceTraits, TargetTraits } from '../../contract/provider.ts';
import { anyJson } from './common.ts';
import { exactly, named } from './wire.ts';

const base = {
  label: z.string(),
  help: z.string(),
  optional: z.boolean().optional(),
  advanced: z.boolean().optional().describe('Folded away in forms.'),
  when: z
    .object({ field: z.string(), in: z.array(z.string()) })
    .optional()
    .describe('Asked only when another field has one of these values.'),
  environmentName: z.string().optional(),
};

const field = named<Field>()(
  'Field',
  'A field of a connector.',
  z.discriminatedUnion('type', [
    z.object({
      ...base,
      type: z.literal('text'),
      multiline: z.boolean().optional(),
      format: z.literal('url').optional(),
      lengthMin: z.number().optional(),
      lengthMax: z.number().optional(),
      pattern: z.string().optional(),
      example: z.string().optional(),
      default: z.string().optional(),
    }),
    z.object({ ...base, type: z.literal('secret'), multiline: z.boolean().optional() }),
    z.object({
      ...base,
      type: z.literal('choice'),
      choices: z.array(z.object({ value: z.string(), label: z.string(), help: z.string().optional() })),
      default: z.string(),
    }),
    z.object({ ...base, type: z.literal('flag'), default: z.boolean() }),
    z.object({
      ...base,
      type: z.literal('number'),
      min: z.number(),
      max: z.number(),
      unit: z.string().optional(),
      default: z.number().optional(),
    }),
  ]),
);

/** The traits are plain data of the contract; whoever needs a member reads it as that page describes it. */
const traits = <T>() =>
  exactly<Readonly<Record<string, unknown>>>()(z.record(z.string(), anyJson)) as unknown as z.ZodType<T>;

export interface ProviderDescription {
  readonly manifest: Manifest;
  readonly fields: Readonly<Record<string, Field>>;
}

export const providers = named<readonly ProviderDescription[]>()(
  'Providers',
  'Every kind of storage that this server speaks to.',
  z.array(
    z
      .object({
        manifest: z.object({
          id: z.string(),
          title: z.string(),
          summary: z.string(),
          containerWord: z.string(),
          source: traits<SourceTraits>().nullable().describe('null: cannot be read from.'),
          target: traits<TargetTraits>().nullable().describe('null: cannot be written to.'),
        }),
        fields: z.record(z.string(), field),
      })
      .meta({ id: 'Provider', description: 'A kind of storage.' }),
  ),
);
