/** What most schemas are made of. */
import { z } from 'zod';
import type { CheckLine, Place } from '../../contract/provider.ts';
import { ERRORS, type ErrorCode, type Failure } from '../../model/errors.ts';
import type { ListQuery, Page, Tags } from '../../control/entities.ts';
import { exactly, named } from './wire.ts';

export const id = z.string().describe('Stays the same for ever.');
export const time = z.string().describe('ISO 8601 in UTC, such as 2026-03-01T08:00:00.000Z.');
export const timeOrNull = time.nullable();
export const count = z.number().describe('A whole number.');
export const bytes = z.number().describe('Bytes.');
export const milliseconds = z.number().describe('Milliseconds.');

/** Times given in: anything that ISO 8601 allows, with its offset. */
export const givenTime = z.iso.datetime({ offset: true }).describe('ISO 8601 with Z or an offset.');

/** What every kept entity has. */
export const kept = {
  id,
  version: z.number().describe('Rises with every change; the ETag is made of it.'),
  createdAt: time,
  createdBy: z.string().describe('Name of whoever made it.'),
  updatedAt: time,
};

export const anyJson = z.unknown().describe('Any JSON.');

export const tags = named<Tags>()(
  'Tags',
  'Names and values.',
  z.record(z.string().min(1).max(128), z.string().max(256)),
);

export const errorCode = z.enum(Object.keys(ERRORS) as [ErrorCode, ...ErrorCode[]]).meta({
  id: 'ErrorCode',
  description: 'What went wrong; each code has a meaning and a remedy in the reference of error codes.',
});

export const failure = named<Failure>()(
  'Failure',
  'What went wrong, why, and what to do.',
  z.object({
    code: errorCode,
    message: z.string().describe('What happened and why.'),
    field: z.string().nullable().describe('The described field at fault, where one is.'),
    remedy: z.string().describe('What to do.'),
  }),
);

export const place = named<Place>()(
  'Place',
  'Where within a connector.',
  z.strictObject({
    container: z.string().max(1_024).describe('Bucket, container or root folder; empty: the whole account.'),
    prefix: z.string().max(4_096).describe('Empty, or ends with a slash; taken literally.'),
  }),
);

export const use = z.enum(['read', 'write', 'both']).describe('What it is to be used for.');

export const checkLine = named<CheckLine>()(
  'CheckLine',
  'One line of a check, given out as soon as it is known.',
  z.object({
    what: z.enum(['identity', 'list', 'read', 'write', 'delete', 'tags', 'container', 'network', 'fact']),
    result: z.enum(['ok', 'refused', 'unknown', 'warning']),
    message: z.string().describe('One sentence.'),
    field: z.string().nullable().describe('The field to correct, where one is at fault.'),
    remedy: z.string().nullable(),
    identity: z
      .object({
        role: z.enum(['signs', 'acts']),
        name: z.string().describe('An ARN, a user, an application.'),
        accountId: z.string().nullable(),
      })
      .optional()
      .describe('Who was seen, where the line tells it.'),
  }),
);

const LIST_DESCRIPTION = 'One page of a list.';

export function pageOf<T>(name: string, item: z.ZodType<T>): z.ZodType<Page<T>> {
  return z
    .object({
      items: z.array(item).readonly(),
      nextCursor: z.string().nullable().describe('Give it back as `cursor`; null at the end.'),
      total: z.number().nullable().describe('Exact up to 1,000,000; null where it was not asked for.'),
      position: z
        .number()
        .int()
        .nullable()
        .optional()
        .describe('Of the first entry among all, from 0; only where the page was asked for by `at`.'),
    })
    .meta({ id: `${name}Page`, description: LIST_DESCRIPTION });
}

/** What every list takes; `filter.NAME=value` beside it, also several times. */
export const listQuery = z.object({
  cursor: z.string().max(4_096).optional().describe('`nextCursor` of the page before.'),
  at: z.coerce
    .number()
    .min(0)
    .max(1)
    .optional()
    .describe(
      'Instead of a cursor: a page that far down, such as 0.5 for the middle. `total` and `position` come with it.',
    ),
  limit: z.coerce.number().int().min(1).max(1_000).optional().describe('Entries of a page; 100 unless given.'),
  sort: z.string().max(64).optional().describe('A field; `-` before it for descending.'),
  search: z.string().max(200).optional().describe('Words that must occur, in any case.'),
  total: z.stringbool().optional().describe('`true` counts all entries that match.'),
});

export type ListParameters = z.output<typeof listQuery> & { readonly filter?: ListQuery['filter'] };

export function toListQuery({ total, ...query }: ListParameters): ListQuery {
  return total === undefined ? query : { ...query, withTotal: total };
}

export const name = z
  .string()
  .trim()
  .min(1, 'Give a name.')
  .max(200, 'Use at most 200 characters.')
  .describe('For people; unique among its kind.');

export const nothing = exactly<null>()(z.null());
