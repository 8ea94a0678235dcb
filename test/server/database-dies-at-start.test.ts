/** A server whose embedded database is killed in the middle of the start. */
import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { makeQuickFolder } from '../quick-folder.ts';

const PROGRAM = fileURLToPath(new URL('../../bin/drover', import.meta.url));
const folder = makeQuickFolder('drover-start-');
const children: ChildProcess[] = [];

afterAll(async () => {
  for (const child of children) {
    const ended = new Promise((resolve) => child.once('exit', resolve));
    if (child.kill('SIGTERM')) await ended;
  }
  rmSync(folder, { recursive: true, force: true });
});

/** Starts a server of its own and kills its database as soon as this step of the start is done. */
function startWithDeathAfter(step: string): { ended: Promise<string>; ready: Promise<string> } {
  const dataDir = join(folder, step);
  const child = spawn(PROGRAM, ['serve', '--json'], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: {
      PATH: process.env['PATH'],
      DROVER_DATA_DIR: dataDir,
      DROVER_LISTEN: '127.0.0.1:0',
      DROVER_LOCAL_WORKERS: '1',
    },
  });
  children.push(child);
  const [ready, ended] = [Promise.withResolvers<string>(), Promise.withResolvers<string>()];
  let text = '';
  let isKilled = false;
  const hear = (part: Buffer): void => {
    text += part.toString();
    if (!isKilled && new RegExp(`${step}\\s+done`).test(text)) {
      isKilled = true;
      process.kill(
        Number(readFileSync(join(dataDir, 'postgres/cluster/postmaster.pid'), 'utf8').split('\n')[0]),
        'SIGKILL',
      );
    }
    if (text.includes('"ready"')) ready.resolve(text);
  };
  for (const stream of [child.stdout, child.stderr]) stream.on('data', hear);
  child.once('exit', () => ended.resolve(text));
  return { ended: ended.promise, ready: ready.promise };
}

test.each(['Database', 'Tables'])('killed after the step "%s": the server comes up all the same', async (step) => {
  const server = startWithDeathAfter(step);
  const how = await Promise.race([
    server.ready.then(() => 'ready'),
    server.ended.then((text) => `ended, and said: ${text}`),
  ]);
  expect(how).toBe('ready');
});
