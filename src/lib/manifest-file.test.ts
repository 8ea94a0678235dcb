import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { checkManifest, type ManifestHead } from './manifest-file.ts';

const sha = (...parts: readonly (string | Buffer)[]) => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};

const PARTS = [['{"key":"a"}', '{"key":"b"}'], [], ['{"key":"ä"}']];
const roots = PARTS.map((rows) => sha(...rows.map((row) => sha(row))));
const ROOT = sha(...roots).toString('hex');
const HEAD: ManifestHead = {
  format: 'drover-manifest',
  formatVersion: 1,
  runId: 'r',
  root: ROOT,
  segments: PARTS.map((rows, at) => ({ kind: 'keys', root: roots[at]!.toString('hex'), rows: rows.length })),
};

async function* file(change: (lines: string[]) => string[] = (lines) => lines): AsyncGenerator<string> {
  yield* change([JSON.stringify(HEAD), ...PARTS.flat()]);
}

test('the root follows from the lines alone', async () => {
  expect(await checkManifest(file(), null)).toEqual({ isWhole: true, root: ROOT, rows: 3, problems: [] });
  expect((await checkManifest(file(), ROOT)).isWhole).toBe(true);
});

test.each([
  ['a changed row', (lines: string[]) => lines.with(2, '{"key":"c"}'), 'The rows of part 1'],
  ['a row too few', (lines: string[]) => lines.slice(0, -1), 'It holds 2 rows; its head says 3.'],
  ['a row too many', (lines: string[]) => [...lines, '{}'], 'It holds 4 rows; its head says 3.'],
  ['rows in another order', (lines: string[]) => [lines[0]!, lines[2]!, lines[1]!, lines[3]!], 'The rows of part 1'],
  ['no manifest', () => ['{"key":"a"}'], 'This is no manifest'],
  ['nothing', () => [], 'This is no manifest'],
])('%s is found', async (_, change, problem) => {
  const { isWhole, problems } = await checkManifest(file(change), null);
  expect(isWhole).toBe(false);
  expect(problems.join(' ')).toContain(problem);
});

test('a whole manifest of something else is not the one that was expected', async () => {
  const { isWhole, problems } = await checkManifest(file(), '00');
  expect([isWhole, problems]).toEqual([false, [`The root of its rows is ${ROOT}, not 00.`]]);
});
