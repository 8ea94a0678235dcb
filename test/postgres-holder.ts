/**
 * A process that holds an embedded PostgreSQL as the server does, to be killed by tests. One argument: a folder. It
 * prints one JSON line for everything that happens, and stops when its input ends.
 */
import { startEmbeddedPostgres } from '../src/control/database/supervisor.ts';
import { systemClock, systemRandom } from '../src/lib/system.ts';
import { toFailure } from '../src/model/errors.ts';

const say = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`);

try {
  const postgres = await startEmbeddedPostgres({
    folder: process.argv[2] as string,
    clock: systemClock,
    random: systemRandom,
    log: () => undefined,
  });
  say({ type: 'ready', url: postgres.url, pid: postgres.pid });
  postgres.onExit(({ error, isFinal }) => say({ type: 'exit', code: error.code, isFinal }));
  postgres.onReturn(() => say({ type: 'return', pid: postgres.pid }));
  process.stdin.resume();
  process.stdin.once('end', () => void postgres.stop().then(() => say({ type: 'stopped' })));
} catch (error) {
  say({ type: 'error', ...toFailure(error) });
}
