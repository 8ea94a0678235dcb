/** Questions as a person sees them: the real command line on a pseudo-terminal. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { hasScript } from '../abilities.ts';

const DROVER = fileURLToPath(new URL('../../bin/drover', import.meta.url));
const SECRET = 'never-to-be-seen';

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'drover-terminal-'));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Types the answer when its question is on the screen; nothing is typed for a question that is not shown. */
function onTerminal(words: string, answers: readonly (readonly [RegExp, string])[]): Promise<[number | null, string]> {
  return new Promise((resolve, reject) => {
    const { PATH, HOME } = process.env;
    const command = `'${DROVER}' --state '${join(folder, 'state')}' ${words}`;
    const child = spawn('script', ['-qec', command, '/dev/null'], {
      env: { PATH, HOME, TERM: 'xterm' },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const left = [...answers];
    let shown = '';
    child.stdout.on('data', (chunk: Buffer) => {
      shown += chunk.toString();
      const next = left[0];
      if (next === undefined || !next[0].test(shown)) return;
      left.shift();
      child.stdin.write(`${next[1]}\r`);
    });
    child.once('error', reject);
    child.once('close', (exit) => resolve([exit, shown]));
  });
}

test.runIf(hasScript)('the question of a secret is shown, and what is typed is not', async () => {
  const [exit, shown] = await onTerminal('connector add s3 acme --no-check --region us-east-1', [
    [/Endpoint/, 'http://127.0.0.1:9'],
    [/Access Key ID/, 'AKIDEXAMPLE'],
    [/Secret Access Key/, SECRET],
  ]);
  expect(shown).toContain('Secret Access Key');
  expect(shown).toContain('AKIDEXAMPLE');
  expect(shown).not.toContain(SECRET);
  expect(shown).toContain('Saved as "acme"');
  expect(exit).toBe(0);
});
