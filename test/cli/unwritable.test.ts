/** A target folder that takes nothing ends the command at once, with one sentence, and before a run is made. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { isLinux } from '../abilities.ts';
import { runDrover } from './command.ts';

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'drover-unwritable-'));
  for (const name of ['a', 'b', 'c']) writeFileSync(join(folder, name), name);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test.runIf(isLinux).each(['copy', 'sync'])('%s', async (command) => {
  // Nobody, not even root, makes files there.
  const target = '/sys/kernel';
  const options = { environment: { XDG_STATE_HOME: join(folder, '.state') } };
  const { code, stderr, summary } = await runDrover([command, folder, target, '--json'], options);
  expect(code).toBe(2);
  expect(summary).toMatchObject({ runId: null, items: { scanned: 0 }, error: { code: 'PERMISSION_DENIED' } });
  expect(summary.error?.message).toContain(`Writing into the folder ${target} failed`);
  expect(stderr).not.toContain(' at ');
});

test.runIf(isLinux)('comparing with it works: nothing is to be written', async () => {
  const options = { environment: { XDG_STATE_HOME: join(folder, '.state') } };
  const { code } = await runDrover(['check', folder, '/sys/kernel/mm', '--one-way', '--json'], options);
  expect(code).toBe(4);
});
