/** A test that skipped itself is named at the end, and fails a run that asked for all. */
import { spawnSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Conditions under which a test may skip itself: the setup knows what each of them stands for, and names it. */
const KNOWN =
  /^(!?(isLinux|canMount|hasScript|isRoot|canRun)|isThere\(\)|(found|rgw) [!=]== null|(servers|inject\('servers'\))\.(\w+ === null|postgres\?\.hasEmbedded !== true))$/;

test('no test skips itself for a reason that the setup does not know', () => {
  const conditions: string[] = [];
  for (const path of globSync('{src,test}/**/*.test.ts', { cwd: root })) {
    const text = readFileSync(`${root}/${path}`, 'utf8');
    for (const { index, 0: call } of text.matchAll(/\b(?:describe|test)\.(?:skipIf|runIf)\(/g)) {
      conditions.push(`${path}: ${argumentAt(text, index + call.length)}`);
    }
  }
  expect(conditions.filter((condition) => !KNOWN.test(condition.slice(condition.indexOf(': ') + 2)))).toEqual([]);
  expect(conditions.length).toBeGreaterThan(5);
});

/** From after a parenthesis to the one that closes it. */
function argumentAt(text: string, from: number): string {
  let depth = 1;
  let at = from;
  for (; depth > 0 && at < text.length; at++) depth += text[at] === '(' ? 1 : text[at] === ')' ? -1 : 0;
  return text.slice(from, at - 1);
}

describe('on a machine that lacks everything', () => {
  const missing = ['Ceph RGW', 'what only Linux has', 'file systems of their own', 'a pseudo-terminal'];

  test.each([
    ['0', 0],
    ['1', 1],
  ])('DROVER_TEST_ALL=%s ends with %i', (all, exit) => {
    const ended = spawnSync('node_modules/.bin/vitest', ['run', 'test/setup.test.ts'], {
      cwd: root,
      encoding: 'utf8',
      env: { ...process.env, DROVER_TEST_ALL: all, DROVER_TEST_WITHOUT: 'rgw,linux,mount,script' },
    });
    for (const name of missing) expect(ended.stderr).toContain(`NOT RUN: tests against ${name}`);
    expect(ended.stdout).toContain('1 passed');
    expect(ended.status).toBe(exit);
  });
});
