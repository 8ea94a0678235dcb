/** A short soak: the command line killed at a few random instants, and the oracle's word on what was left. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { startS3, stopServers, type S3Server } from '../../demo/servers.ts';
import { AzureStore, S3Store } from '../../demo/stores.ts';
import { seededRandom } from '../../src/sim/world.ts';
import { soakEnvironment } from './environment.ts';
import { soak } from './series.ts';
import { azureTarget, bucketTarget, folderTarget, type SoakTarget } from './targets.ts';

const { azurite } = inject('servers');
const folder = mkdtempSync(join(tmpdir(), 'drover-kill-'));
const name = `kill-${process.pid}`;
let s3: S3Server;

beforeAll(async () => {
  s3 = await startS3(null);
});

afterAll(async () => {
  await stopServers();
  rmSync(folder, { recursive: true, force: true });
});

describe('killed again and again', () => {
  const targets: Readonly<Record<string, () => SoakTarget>> = {
    bucket: () => bucketTarget(new S3Store(s3.access), 'bucket', `${name}-copy`, ['--server-side', 'never']),
    container: () => azureTarget(new AzureStore(azurite), name),
    folder: () => folderTarget(join(folder, 'target')),
  };
  test.each(Object.keys(targets))('to a %s, nothing is lost and nothing is left over', async (kind) => {
    const said: string[] = [];
    const seed = Date.now() % 1_000_000;
    const [share] = await soak({
      store: new S3Store(s3.access),
      bucket: name,
      size: { smallCount: 30, largeCount: 1, largeBytes: 18 * 1024 * 1024 },
      targets: [(targets[kind] as () => SoakTarget)()],
      kills: 2,
      random: seededRandom(seed),
      environment: soakEnvironment(s3.access, azurite, folder),
      say: (line) => said.push(line),
    });
    expect(share?.violations, `seed ${seed}\n${said.join('\n')}`).toEqual([]);
    expect(share?.kills).toBe(2);
  });
});
