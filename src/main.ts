/** Where everything is constructed and connected; nowhere else. */
import { randomUUID } from 'node:crypto';
import { link, open, readFile, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import packageJson from '../package.json' with { type: 'json' };
import { EXIT } from './cli/exit.ts';
import { runCli } from './cli/run.ts';
import { EMPTY_SUMMARY, summaryLine } from './cli/summary.ts';
import type { CliWorld, Prompt, TextStream } from './cli/world.ts';
import { flagOf, SETTING_NAMES, settingOf } from './control/settings/settings.ts';
import { systemClock, systemRandom } from './lib/system.ts';
import { openUndiciTransport } from './lib/undici-transport.ts';
import { DroverError, toFailure } from './model/errors.ts';
import { azureBlob } from './providers/azure-blob/provider.ts';
import { local } from './providers/local/provider.ts';
import { s3 } from './providers/s3/provider.ts';
import { eventLoopLoad } from './main/event-loop.ts';
import { openStandalone } from './standalone/standalone.ts';

const environment = process.env;

const world: CliWorld = {
  version: packageJson.version,
  stdout: streamOf(process.stdout),
  stderr: streamOf(process.stderr),
  prompt: process.stdin.isTTY && process.stderr.isTTY ? terminalPrompt() : null,
  environment,
  clock: systemClock,
  random: systemRandom,
  openTransport: openUndiciTransport(environment),
  providers: [s3, azureBlob, local],
  stateFolder: stateFolder(),
  // A copy between two stores should not wait for a database, a web server and a queue to be read in.
  server: async () => {
    const { serverCommands } = await import('./main/server-commands.ts');
    return serverCommands({ variables: environment, programVersion: packageJson.version });
  },
  openClient: async (connection) => {
    const { openClient } = await import('./api/client/client.ts');
    return openClient({ ...connection, fetch, userAgent: `drover/${packageJson.version}`, newKey: randomUUID });
  },
  saveFile,
  settingFlags: SETTING_NAMES.map((name) => ({ name, flag: flagOf(name), help: settingOf(name).help })),
  readInput,
  openState: async (folder, log) => openStandalone({ folder, clock: systemClock, random: systemRandom, log }),
  workingFolder: process.cwd(),
  homeFolder: homedir(),
  readTextFile,
  readBytes,
  locale: localeOf(environment['LC_ALL'] || environment['LC_NUMERIC'] || environment['LANG'] || ''),
  timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone,
  onStop,
  eventLoopUse: eventLoopLoad(),
  exitNow: (code) => process.exit(code),
};

for (const event of ['uncaughtException', 'unhandledRejection'] as const) process.on(event, crash);
process.exitCode = await runCli(process.argv.slice(2), world);
// Sockets that a store keeps open must not keep us; what was written has been taken already.
process.exit();

/** A fault outside of every command. Node itself would print a stack trace and end with 1. */
function crash(thrown: unknown): void {
  const error = toFailure(thrown);
  process.stderr.write(`${error.message}\n${error.remedy}\n`);
  if (process.argv.includes('--verbose') && thrown instanceof Error) process.stderr.write(`${thrown.stack}\n`);
  const line = `${JSON.stringify(summaryLine({ ...EMPTY_SUMMARY, state: 'failed', error }))}\n`;
  if (!process.argv.includes('--json')) process.exit(EXIT.FAILED);
  process.stdout.write(line, () => process.exit(EXIT.FAILED));
}

function streamOf(stream: NodeJS.WriteStream): TextStream {
  let isGone = false;
  // Without a listener a reader that went away (`| head`) would end the process with a stack trace.
  stream.on('error', () => {
    isGone = true;
  });
  return {
    isTerminal: stream.isTTY === true,
    columns: () => stream.columns ?? 80,
    write: (content) =>
      new Promise((resolve, reject) => {
        const gone = (cause?: unknown): DroverError =>
          new DroverError('CANCELLED', 'Whoever read the output went away.', { cause });
        if (isGone) return reject(gone());
        stream.write(content, (error) => (error ? reject(gone(error)) : resolve()));
      }),
  };
}

/** Questions go to standard error, so that standard output stays clean. */
function terminalPrompt(): Prompt {
  return {
    ask: (question, hidden) =>
      new Promise((resolve, reject) => {
        const output = new Writable({
          write: (chunk: Buffer, _encoding, done) => {
            if (hidden) done();
            else process.stderr.write(chunk, () => done());
          },
        });
        const lines = createInterface({ input: process.stdin, output, terminal: true, historySize: 0 });
        // What readline draws is question and typed text together, so the question of a secret is written here. The
        // terminal echoes no more by now.
        if (hidden) process.stderr.write(question);
        let answer: string | null = null;
        lines.on('SIGINT', () => lines.close());
        lines.on('close', () => {
          if (hidden || answer === null) process.stderr.write('\n');
          if (answer === null) reject(new DroverError('CANCELLED', 'The question was not answered.'));
          else resolve(answer);
        });
        lines.question(question, (text) => {
          answer = text;
          lines.close();
        });
      }),
  };
}

function onStop(handler: () => void): () => void {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, handler);
  return () => {
    for (const signal of signals) process.off(signal, handler);
  };
}

/** The convention of the platform for what programs keep about their work. */
function stateFolder(): string {
  const home = homedir();
  if (process.platform === 'darwin') return join(home, 'Library', 'Application Support', 'drover');
  if (process.platform === 'win32') {
    return join(environment['LOCALAPPDATA'] || join(home, 'AppData', 'Local'), 'drover');
  }
  return join(environment['XDG_STATE_HOME'] || join(home, '.local', 'state'), 'drover');
}

async function readTextFile(path: string): Promise<string | null> {
  return readIfThere(path, () => readFile(path, 'utf8'));
}

async function readBytes(path: string): Promise<AsyncIterable<Uint8Array> | null> {
  return readIfThere(path, async () => (await open(path)).createReadStream());
}

async function readIfThere<T>(path: string, read: () => Promise<T>): Promise<T | null> {
  try {
    return await read();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw new DroverError('INVALID_INPUT', `The file ${path} cannot be read (${code}).`, {
      cause: error,
      field: '--file',
      remedy: 'Check who may read it.',
    });
  }
}

async function saveFile(path: string, content: AsyncIterable<Uint8Array>, mayReplace: boolean): Promise<void> {
  const temporary = `${path}.writing-${process.pid}`;
  try {
    await using file = await open(temporary, 'wx');
    for await (const chunk of content) await file.writeFile(chunk);
    await file.sync();
    // A link, unlike renaming, fails where something stands already.
    await (mayReplace ? rename(temporary, path) : link(temporary, path));
  } catch (error) {
    if (error instanceof DroverError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') {
      const remedy = 'Name another file with --out; one that is named there is replaced.';
      throw new DroverError('ALREADY_EXISTS', `There is a file ${path} already.`, { field: '--out', remedy });
    }
    if (code === undefined) throw error;
    throw new DroverError(code === 'ENOSPC' ? 'DISK_FULL' : 'INVALID_INPUT', `${path} cannot be written (${code}).`, {
      cause: error,
      field: '--out',
      remedy: 'Choose a folder that exists, that you may write to, and that has room.',
    });
  } finally {
    await rm(temporary, { force: true });
  }
}

async function readInput(): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

/** `de_DE.UTF-8` → `de-DE`; without a language, English as the sentences are. */
function localeOf(name: string): string {
  const tag = (name.split(/[.@]/)[0] as string).replace('_', '-');
  if (tag === '' || tag === 'C' || tag === 'POSIX') return 'en-US';
  try {
    return Intl.NumberFormat.supportedLocalesOf([tag])[0] ?? 'en-US';
  } catch {
    return 'en-US';
  }
}
