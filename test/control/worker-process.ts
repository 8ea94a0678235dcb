/** A worker as a process of its own, to be killed: address of the database, folder of the artifacts, name, timing. */
import { join } from 'node:path';
import { openBus } from '../../src/control/bus.ts';
import { openDatabase } from '../../src/control/database/connect.ts';
import { startWorker } from '../../src/control/fleet/worker.ts';
import type { ControlWorld } from '../../src/control/world.ts';
import { systemClock, systemRandom } from '../../src/lib/system.ts';
import { local } from '../../src/providers/local/provider.ts';
import { FolderArtifactStore } from '../../src/standalone/artifacts.ts';
import { rowOpener } from './made.ts';

const [url = '', folder = '', name = '', timing = '{}'] = process.argv.slice(2);
const log = (level: string, message: string): void => {
  if (process.env['DROVER_TEST_TALK'] === '1') process.stderr.write(`${name} ${level} ${message}\n`);
};
const database = await openDatabase({ url, log });
const db = database.kysely;
const world = {
  db,
  clock: systemClock,
  random: systemRandom,
  log,
  providers: new Map([[local.manifest.id, local]]),
  artifacts: new FolderArtifactStore(join(folder, 'artifacts'), systemRandom),
  bus: openBus({ db, connection: database.connection, clock: systemClock, log }),
  openTransport: () => {
    throw new Error('There is no network in this test.');
  },
  environment: {},
  programVersion: '0.0.0-test',
} as unknown as ControlWorld;
const worker = await startWorker(world, {
  name,
  host: 'here',
  pid: process.pid,
  openConnector: rowOpener(world),
  reportHealth: async () => undefined,
  append: async () => undefined,
  timing: JSON.parse(timing) as object,
});
process.on('SIGTERM', () => {
  void worker.drain().then(() => process.exit(0));
});
process.stdout.write('ready\n');
