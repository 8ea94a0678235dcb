/** The table of cases is whole, and every test it names is there. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const table = readFileSync(new URL('README.md', import.meta.url), 'utf8');
const rows = table
  .split('\n')
  .map((line) => /^\| (\d+) +\|(.*)\|$/.exec(line))
  .filter((match) => match !== null);

test('has every case once', () => {
  expect(rows.map((match) => Number(match[1]))).toEqual(Array.from({ length: 25 }, (_, i) => i + 1));
});

test.each(rows.map((match) => [match[1] as string, match[2] as string]))(
  'case %s names tests that are there',
  (_number, row) => {
    expect(namedTests(row).length).toBeGreaterThan(0);
    expect(absent(row)).toEqual([]);
  },
);

test('what follows the table is there too', () => {
  expect(absent(table)).toEqual([]);
});

test('a name that is not there is noticed', () => {
  expect(absent('`test/cases/table.test.ts` “has every ' + 'case twice”')).toHaveLength(1);
  expect(absent('`test/cases/no-such.test.ts` “a”')).toHaveLength(1);
});

function namedTests(text: string): { readonly path: string; readonly name: string }[] {
  return [...text.matchAll(/`([^`]+\.ts)` “([^”]+)”/g)].map((match) => ({
    path: match[1] as string,
    name: match[2] as string,
  }));
}

/** Names stand in the code as they are here, or are the fixed part of a name that is put together. */
function absent(text: string): string[] {
  return namedTests(text)
    .filter(({ path, name }) => !existsSync(`${root}${path}`) || !readFileSync(`${root}${path}`, 'utf8').includes(name))
    .map(({ path, name }) => `${path}: ${name}`);
}
