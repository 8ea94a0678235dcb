/**
 * A short soak of a real server: killed at ten random instants, in all its parts, once lost as a whole and made
 * anew from a backup of mid-run; and the oracle's word on it.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { startS3, stopServers, type S3Server } from '../../demo/servers.ts';
import { S3Store } from '../../demo/stores.ts';
import { seededRandom } from '../../src/sim/world.ts';
import { isLinux } from '../abilities.ts';
import { killInstallations } from './server-installation.ts';
import { copyProgram } from './server-program.ts';
import { soakServer } from './server-series.ts';

const MIB = 1024 * 1024;
const KILLS = 10;
const SEED = 3;

const canRun = isLinux && (inject('servers').postgres?.hasEmbedded ?? false);
const folder = mkdtempSync(join(tmpdir(), 'drover-kills-'));
let s3: S3Server;

beforeAll(async () => {
  s3 = await startS3(null);
});

afterAll(async () => {
  killInstallations();
  await stopServers();
  rmSync(folder, { recursive: true, force: true });
});

describe.runIf(canRun)('a server, its workers and its database, killed again and again,', () => {
  test('lose nothing, do nothing twice, and leave nothing in between', async () => {
    const said: string[] = [];
    const result = await soakServer({
      program: copyProgram(join(folder, 'program'), 'working'),
      folder,
      workers: 2,
      routes: {
        names: ['folder-to-bucket', 'bucket-to-folder'],
        prefix: `kills-${process.pid}`,
        size: { smallCount: 40, largeCount: 1, largeBytes: 18 * MIB },
        bytesPerSecond: 4 * MIB,
        s3: { store: new S3Store(s3.access), access: s3.access },
        azure: null,
      },
      kills: KILLS,
      killsPerSeriesMax: 8,
      gapMsMax: 1_500,
      soonShare: 0.6,
      random: seededRandom(SEED),
      say: (line) => said.push(line),
    });
    expect(result.violations, `${said.join('\n')}\n${result.remarks.join('\n')}`).toEqual([]);
    expect(Object.values(result.kills).reduce((sum, kills) => sum + kills, 0)).toBe(KILLS);
    expect(result.restores).toBe(1);
  }, 600_000);
});
