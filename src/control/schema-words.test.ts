/** What is said about values that do not fit. */
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { schemaProblems } from './schema-words.ts';

const schema = z.strictObject({
  name: z.string().min(1).max(5).optional(),
  count: z.number().int().min(2).max(9).optional(),
  list: z.array(z.string()).max(1).optional(),
  tags: z.record(z.string(), z.string()).optional(),
  choice: z.enum(['red', 'green']).optional(),
  value: z.union([z.string(), z.number(), z.boolean()]).optional(),
  own: z
    .string()
    .refine((text) => text === '', 'Leave it empty.')
    .optional(),
  rule: z
    .discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('once'), at: z.string() }),
      z.strictObject({ kind: z.literal('daily'), time: z.string() }),
    ])
    .optional(),
});

function wordsFor(input: unknown): readonly string[] {
  const parsed = schema.safeParse(input);
  if (parsed.success) return [];
  return schemaProblems(parsed.error, input).map(({ path, message }) => `${path.join('.')}: ${message}`);
}

describe('what does not fit', () => {
  test.each<[input: unknown, words: string]>([
    [{ name: 5 }, 'name: Give a string.'],
    [{ name: null }, 'name: Give a string.'],
    [{ name: '' }, 'name: Give some text.'],
    [{ name: 'abcdef' }, 'name: Give at most 5 characters.'],
    [{ count: 1.5 }, 'count: Give a whole number.'],
    [{ count: 1 }, 'count: Give at least 2.'],
    [{ list: ['a', 'b'] }, 'list: Give at most 1 entry.'],
    [{ list: 'a' }, 'list: Give a list.'],
    [{ tags: [] }, 'tags: Give an object.'],
    [{ choice: 'blue' }, 'choice: Give one of: red, green.'],
    [{ value: [] }, 'value: Give a string or a number or a boolean.'],
    [{ own: 'x' }, 'own: Leave it empty.'],
    [{ rule: { kind: 'onse' } }, 'rule.kind: Give one of: once, daily.'],
    [{ rule: {} }, 'rule.kind: This is missing; give one of: once, daily.'],
    [{ rule: { kind: 'once' } }, 'rule.at: This is missing.'],
    [{ rule: { kind: 'once', at: 5 } }, 'rule.at: Give a string.'],
    [{ rule: { kind: 'once', at: '', time: '' } }, 'rule.time: There is no member "time".'],
    [5, ': Give an object.'],
  ])('%j', (input, words) => {
    expect(wordsFor(input)).toEqual([words]);
  });
});
