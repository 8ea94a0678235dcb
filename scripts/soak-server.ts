/**
 * `npm run soak:server`: a real `bin/drover serve` with its embedded database, its own worker and two more, killed with
 * SIGKILL in all its parts at random instants, while runs go on; once it is lost as a whole, and goes on from a backup.
 * Then another one, whose database is gone for a minute. The S3 side is Ceph's gateway where one runs, else the
 * simulated one; containers are Azurite's.
 *
 *   npm run soak:server -- [--kills 100] [--seed N] [--small 150] [--large 2] [--large-mib 24] [--workers 2]
 *                          [--only folder-to-bucket,bucket-to-folder,bucket-to-bucket,bucket-to-container,folders]
 *                          [--gap-ms 4000] [--soon 0.2] [--gone-s 60] [--simulated] [--committed] [--keep]
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startAzurite, startS3, stopServers } from '../demo/servers.ts';
import { AzureStore, S3Store, type S3Access } from '../demo/stores.ts';
import { seededRandom } from '../src/sim/world.ts';
import { killInstallations } from '../test/soak/server-installation.ts';
import { copyProgram } from '../test/soak/server-program.ts';
import type { RouteName } from '../test/soak/server-routes.ts';
import { databaseGone } from '../test/soak/server-gone.ts';
import { soakServer } from '../test/soak/server-series.ts';

const MIB = 1024 * 1024;
const ALL: readonly RouteName[] = [
  'folder-to-bucket',
  'bucket-to-folder',
  'bucket-to-bucket',
  'bucket-to-container',
  'folders',
];

const { values: given } = parseArgs({
  options: {
    kills: { type: 'string', default: '100' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    only: { type: 'string', default: ALL.join(',') },
    small: { type: 'string', default: '150' },
    large: { type: 'string', default: '2' },
    'large-mib': { type: 'string', default: '24' },
    workers: { type: 'string', default: '2' },
    'gap-ms': { type: 'string', default: '4000' },
    soon: { type: 'string', default: '0.2' },
    'gone-s': { type: 'string', default: '60' },
    simulated: { type: 'boolean', default: false },
    committed: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
  },
});

const say = (line: string): void => void process.stdout.write(`${line}\n`);
const names = given.only.split(',').map((name) => {
  const known = ALL.find((route) => route === name);
  if (known === undefined) throw new Error(`--only knows no "${name}". It takes ${ALL.join(', ')}.`);
  return known;
});
const folder = mkdtempSync(join(tmpdir(), 'drover-kills-'));
process.on('exit', () => {
  killInstallations();
  if (given.keep) say(`Logs and data are in ${folder}`);
  else rmSync(folder, { recursive: true, force: true });
});
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => process.exit(130));

const gateway = given.simulated ? null : await findGateway();
const access = gateway ?? (await startS3(null)).access;
const azure = names.includes('bucket-to-container') ? (await startAzurite(folder)).access : null;
say(`Seed ${given.seed} · ${given.kills} kills · ${gateway === null ? 'simulated S3' : 'Ceph RGW'}`);

const program = copyProgram(join(folder, 'program'), given.committed ? 'committed' : 'working');
const places = {
  size: {
    smallCount: Number(given.small),
    largeCount: Number(given.large),
    largeBytes: Number(given['large-mib']) * MIB,
  },
  bytesPerSecond: 4 * MIB,
  s3: { store: new S3Store(access), access },
};
const result = await soakServer({
  program,
  folder,
  workers: Number(given.workers),
  routes: {
    ...places,
    names,
    prefix: `soak-${process.pid}`,
    azure: azure === null ? null : { store: new AzureStore(azure), access: azure },
  },
  kills: Number(given.kills),
  killsPerSeriesMax: 8,
  gapMsMax: Number(given['gap-ms']),
  soonShare: Number(given.soon),
  random: seededRandom(Number(given.seed)),
  say,
});
const { backAfterMs, ...gone } = await databaseGone({
  program,
  folder,
  goneMs: Number(given['gone-s']) * 1_000,
  random: seededRandom(Number(given.seed)),
  routes: { ...places, prefix: `gone-${process.pid}`, azure: null },
});
say(`Database gone for ${given['gone-s']} s: ${gone.answers.length} answers said so, back after ${backAfterMs} ms`);
await stopServers();

const { kills, series, runs, restores, takeovers, told, remarks } = result;
const violations = [...result.violations, ...gone.violations];
say(
  `\nKilled: ${Object.entries(kills)
    .map(([victim, count]) => `${victim} ${count}`)
    .join(', ')}`,
);
say(
  `${series} series, ${runs} runs, ${restores} restore, ${takeovers} segments taken over, ${told} messages about ends`,
);
for (const remark of remarks) say(`  ${remark}`);
say(violations.length === 0 ? '\nNothing lost, nothing twice, nothing stuck.' : `\nSeed ${given.seed}, wrong:`);
for (const violation of violations) say(`  ${violation}`);
process.exitCode = violations.length === 0 ? 0 : 1;

/** One that the tests use as well. */
async function findGateway(): Promise<S3Access | null> {
  try {
    const path = join(process.env['DROVER_TEST_DIR'] ?? join(tmpdir(), 'drover-test'), 'rgw.json');
    const found = JSON.parse(readFileSync(path, 'utf8')) as S3Access;
    await fetch(found.endpoint, { signal: AbortSignal.timeout(2_000) });
    return found;
  } catch {
    return null;
  }
}
