/**
 * `npm run demo`: the command line on two servers of this machine, from the first connector to the last check. Nothing
 * leaves the machine, and nothing stays on it. `--keep` keeps the state and says where; `--small` moves less.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { stopServers } from './servers.ts';
import { Stage } from './stage.ts';
import { play } from './story.ts';

const { values: given } = parseArgs({
  options: { keep: { type: 'boolean', default: false }, small: { type: 'boolean', default: false } },
});

let isEnding = false;

// Before there is anything to leave behind: whoever stops the demo finds the machine as it was.
for (const [name, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const) {
  process.on(name, () => void end(code));
}
// The terminal was closed, or whoever read along has gone.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => void end(1));

const folder = mkdtempSync(join(tmpdir(), 'drover-demo-'));
process.on('exit', () => removeFolder());
const stage = new Stage(environmentOf(folder));

try {
  await play(stage, { folder, isSmall: given.small, isKept: given.keep });
  await end(stage.failures.length === 0 ? 0 : 1);
} catch (error) {
  // What a stopped demo still complains about is of no interest.
  if (!isEnding) {
    process.stderr.write(`\nThe demo failed: ${error instanceof Error ? (error.stack ?? error.message) : error}\n`);
    await end(1);
  }
}

async function end(code: number): Promise<void> {
  if (isEnding) return;
  isEnding = true;
  await stage.clear();
  await stopServers();
  process.exit(code);
}

function removeFolder(): void {
  if (!given.keep) rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
}

/** A home of its own: no settings of this machine's users take part, and none are changed. */
function environmentOf(home: string): Record<string, string> {
  const passed = ['PATH', 'TERM', 'LANG', 'LC_ALL', 'LC_NUMERIC', 'TZ', 'NO_COLOR', 'COLUMNS', 'SystemRoot'];
  const own: Record<string, string> = { HOME: home, XDG_STATE_HOME: join(home, 'state'), LOCALAPPDATA: home };
  for (const name of passed) {
    const value = process.env[name];
    if (value !== undefined) own[name] = value;
  }
  return own;
}
