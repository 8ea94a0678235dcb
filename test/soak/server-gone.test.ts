/** A minute without a database takes a minute: the short form, with short leases, is in `bad-days-processes.test.ts`. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, inject, test } from 'vitest';
import { startS3, stopServers } from '../../demo/servers.ts';
import { S3Store } from '../../demo/stores.ts';
import { FLEET_TIMING } from '../../src/control/fleet/timing.ts';
import { seededRandom } from '../../src/sim/world.ts';
import { isLinux } from '../abilities.ts';
import { databaseGone } from './server-gone.ts';
import { killInstallations } from './server-installation.ts';
import { copyProgram } from './server-program.ts';

const MIB = 1024 * 1024;
/** Longer than anybody counts as alive without a word. */
const GONE_MS = FLEET_TIMING.goneAfterMs + 15_000;

const isAll = process.env['DROVER_TEST_ALL'] === '1';
const canRun = isAll && isLinux && (inject('servers').postgres?.hasEmbedded ?? false);
const folder = mkdtempSync(join(tmpdir(), 'drover-gone-'));

afterAll(async () => {
  killInstallations();
  await stopServers();
  rmSync(folder, { recursive: true, force: true });
});

describe.runIf(canRun)('a real server whose database is gone for long', () => {
  test('says so, and brings what was going on to its right end when it is back', async () => {
    const { access } = await startS3(null);
    const gone = await databaseGone({
      program: copyProgram(join(folder, 'program'), 'working'),
      folder,
      goneMs: GONE_MS,
      random: seededRandom(1),
      routes: {
        prefix: 'gone',
        size: { smallCount: 40, largeCount: 2, largeBytes: 18 * MIB },
        bytesPerSecond: 2 * MIB,
        s3: { store: new S3Store(access), access },
        azure: null,
      },
    });
    expect(gone.violations).toEqual([]);
  }, 600_000);
});
