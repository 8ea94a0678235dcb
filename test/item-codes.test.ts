/** Every code that an item can have is explained in one table, with what to do about it; and the table holds no other. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { recordOf } from '../src/engine/account.ts';
import { entryOf } from '../src/model/entry.ts';
import { ERRORS } from '../src/model/errors.ts';
import { explanationOf, REASONS } from '../src/model/reasons.ts';
import { RUN_LOG_CODES } from '../src/model/run-log-codes.ts';
import { itemCodesPage } from '../scripts/docs/item-codes.ts';

const engine = fileURLToPath(new URL('../src/engine', import.meta.url));
const code = readdirSync(engine)
  .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
  .map((name) => readFileSync(join(engine, name), 'utf8'))
  .join('\n');

/** What stands in the engine as the code of a record: written out, as a reason of an action, or as evidence. */
const written = new Set([
  ...[...code.matchAll(/recordOf\([^,]+,\s*'[a-z]+',\s*(?:[^,)']*\? )?'([\w-]+)'(?: : '([\w-]+)')?/g)].flatMap(
    ([, one = '', other]) => (other === undefined ? [one] : [one, other]),
  ),
  ...[...code.matchAll(/kind: '(?:copy|skipped)', reason: '([\w-]+)'/g)].map(([, one = '']) => one),
  ...[...code.matchAll(/isSame: true, evidence: '([\w-]+)'/g)].map(([, one = '']) => `same-${one}`),
]);

test('the engine is read right', () => {
  expect([...written]).toEqual(
    expect.arrayContaining(['absent', 'changed', 'target-newer', 'same-digest', 'same-folder', 'dry-run', 'extra']),
  );
});

test.each([...written])('"%s" is explained, with what to do', (one) => {
  const { meaning, remedy } = explanationOf(one);
  expect(meaning).toMatch(one in ERRORS ? /^$/ : /^[A-Z].*\.$/);
  expect(remedy).toMatch(/^[A-Z].*\.$/);
});

test.each(Object.keys(REASONS))('"%s" of the table is still given by the engine', (one) => {
  expect(written.has(one) || code.includes(`'${one}'`), one).toBe(true);
});

const control = fileURLToPath(new URL('../src/control', import.meta.url));
const served = readdirSync(control, { recursive: true })
  .map(String)
  .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
  .map((name) => readFileSync(join(control, name), 'utf8'))
  .join('\n');

test.each(Object.entries(RUN_LOG_CODES))('"%s" stands in logs of runs, explained', (one, { meaning, remedy }) => {
  const ofLimit = /^LIMITED_(.*)$/.exec(one)?.[1]?.toLowerCase() ?? '';
  expect(served.includes(`'${one}'`) || (ofLimit !== '' && served.includes(`case '${ofLimit}':`)), one).toBe(true);
  for (const sentence of [meaning, remedy]) expect(sentence).toMatch(/^[A-Z].*\.$/);
  expect(one in ERRORS || one in REASONS).toBe(false);
});

test('what is in no table cannot be given', () => {
  // @ts-expect-error a code of its own
  expect(recordOf(entryOf({ key: 'k' }), 'same', 'made-up').code).toBe('made-up');
  expect(() => explanationOf('made-up')).not.toThrow();
});

test('an error is explained by its own table; no name stands in both', () => {
  expect(explanationOf('CHANGED').remedy).toBe(ERRORS.CHANGED.remedy);
  expect(Object.keys(REASONS).filter((one) => one in ERRORS)).toEqual([]);
});

test('the reference has every one', () => {
  const page = itemCodesPage();
  for (const [one, { meaning, remedy }] of Object.entries(REASONS)) {
    expect(page).toContain(`\`${one}\``);
    expect(page).toContain(meaning);
    expect(page).toContain(remedy);
  }
});
