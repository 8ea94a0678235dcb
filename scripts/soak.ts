/**
 * `npm run soak:copy`: kills `bin/drover copy` and `sync` with SIGKILL at random instants, hundreds of times if asked to, and
 * looks by other means at what is left. The source is Ceph's S3 gateway where one runs, else the simulated S3.
 *
 *   npm run soak:copy -- [--kills 100] [--seed N] [--only bucket,server-side,container,folder] [--small 300] [--large 5]
 *                   [--large-mib 40] [--simulated]
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startAzurite, startS3, stopServers } from '../demo/servers.ts';
import { AzureStore, S3Store, type AzureAccess, type S3Access } from '../demo/stores.ts';
import { seededRandom } from '../src/sim/world.ts';
import { soakEnvironment } from '../test/soak/environment.ts';
import { soak, type Share } from '../test/soak/series.ts';
import { azureTarget, bucketTarget, folderTarget, type SoakTarget } from '../test/soak/targets.ts';

const MIB = 1024 * 1024;

const { values: given } = parseArgs({
  options: {
    kills: { type: 'string', default: '100' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    only: { type: 'string', default: 'bucket,server-side,container,folder' },
    small: { type: 'string', default: '300' },
    large: { type: 'string', default: '5' },
    'large-mib': { type: 'string', default: '40' },
    simulated: { type: 'boolean', default: false },
  },
});

const say = (line: string): void => void process.stdout.write(`${line}\n`);
const folder = mkdtempSync(join(tmpdir(), 'drover-soak-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => process.exit(130));

const gateway = given.simulated ? null : await findGateway();
const s3 = gateway === null ? await startS3(null) : null;
const azurite = await startAzurite(folder);
const access = gateway ?? (s3?.access as S3Access);
say(`Seed ${given.seed} · ${given.kills} kills · source ${gateway === null ? 'simulated S3' : 'Ceph RGW'}`);

const shares = await soak({
  store: new S3Store(access),
  bucket: `soak-${process.pid}`,
  size: {
    smallCount: Number(given.small),
    largeCount: Number(given.large),
    largeBytes: Number(given['large-mib']) * MIB,
  },
  targets: targetsOf(access, azurite.access),
  kills: Number(given.kills),
  random: seededRandom(Number(given.seed)),
  environment: soakEnvironment(access, azurite.access, folder),
  say,
});
await stopServers();
process.exitCode = report(shares);

function targetsOf(s3Access: S3Access, azureAccess: AzureAccess): SoakTarget[] {
  const store = new S3Store(s3Access);
  const all: Readonly<Record<string, () => SoakTarget>> = {
    bucket: () => bucketTarget(store, 'bucket', `soak-${process.pid}-copy`, ['--server-side', 'never']),
    'server-side': () => bucketTarget(store, 'server-side', `soak-${process.pid}-server`, []),
    container: () => azureTarget(new AzureStore(azureAccess), `soak-${process.pid}`),
    folder: () => folderTarget(join(folder, 'target')),
  };
  return given.only.split(',').map((name) => {
    const make = all[name];
    if (make === undefined) throw new Error(`--only knows no "${name}". It takes ${Object.keys(all).join(', ')}.`);
    return make();
  });
}

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

function report(all: readonly Share[]): number {
  const kills = all.reduce((sum, share) => sum + share.kills, 0);
  const violations = all.flatMap(({ target, violations: wrong }) => wrong.map((text) => `${target}: ${text}`));
  say('\ntarget        kills  of them before the run began  series  continued runs  violations');
  for (const share of all) {
    say(
      `${share.target.padEnd(12)}  ${pad(share.kills, 5)}  ${pad(share.killsBeforeRun, 28)}  ${pad(share.series, 6)}  ` +
        `${pad(share.continued, 14)}  ${pad(share.violations.length, 10)}`,
    );
  }
  for (const violation of violations) say(`  ${violation}`);
  say(
    violations.length === 0
      ? `\n${kills} kills, nothing lost.`
      : `\n${violations.length} violations. Seed ${given.seed}.`,
  );
  return violations.length === 0 && kills >= Number(given.kills) ? 0 : 1;
}

function pad(count: number, width: number): string {
  return String(count).padStart(width);
}
