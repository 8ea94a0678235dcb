/** A world for commands that run inside the test: what they wrote, and what they were told. */
import { createReadStream, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openClient } from '../../src/api/client/client.ts';
import { runCli } from '../../src/cli/run.ts';
import type { CliWorld } from '../../src/cli/world.ts';
import type { Provider } from '../../src/contract/provider.ts';
import { systemClock, systemRandom } from '../../src/lib/system.ts';
import { openUndiciTransport } from '../../src/lib/undici-transport.ts';
import { DroverError } from '../../src/model/errors.ts';
import { local } from '../../src/providers/local/provider.ts';
import { memory } from '../../src/providers/memory/provider.ts';
import { openStandalone } from '../../src/standalone/standalone.ts';
import { makeQuickFolder } from '../quick-folder.ts';

export interface Called {
  readonly exit: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Parsed lines of standard output; only with --json. */
  readonly lines: readonly Record<string, unknown>[];
  readonly summary: Summary;
}

export interface Summary {
  readonly type: 'summary';
  readonly runId: string | null;
  readonly state: string;
  readonly items: Readonly<Record<string, number>>;
  readonly bytes: Readonly<Record<string, number>>;
  readonly verification: Readonly<Record<string, number>>;
  readonly requests: Readonly<Record<'source' | 'target', Readonly<Record<string, number>>>>;
  readonly differences: Readonly<Record<string, number>>;
  readonly durationMs: number;
  readonly error: { readonly code: string; readonly message: string; readonly field: string | null } | null;
}

export interface TestWorld {
  readonly folder: string;
  /** Runs `drover …words` with its state in the folder. */
  call(...words: string[]): Promise<Called>;
  /** The same with --json. */
  json(...words: string[]): Promise<Called>;
  /** Answers to questions, in order; set by a test that plays a person. */
  answers: string[] | null;
  environment: Record<string, string>;
  /** What stands on standard input. */
  input: string;
  /** Width of the terminal that standard error is; `null`: it is none. */
  columns: number | null;
  /** What ending the process at once does here. */
  exitNow: (code: number) => void;
  /** Called when a summary was written. */
  onSummary: () => void;
  /** Called with each piece of standard error. */
  onSaid: (text: string) => void;
  /** Asks the running command to stop. */
  stop(): void;
  remove(): void;
}

export function openTestWorld(providers: readonly Provider[] = [memory, local]): TestWorld {
  const folder = makeQuickFolder('drover-cli-');
  let stopper: (() => void) | null = null;
  const world: TestWorld = {
    folder,
    answers: null,
    environment: {},
    input: '',
    columns: null,
    exitNow: () => {
      throw new Error('The command was ended at once.');
    },
    onSummary: () => undefined,
    onSaid: () => undefined,
    stop: () => stopper?.(),
    remove: () => rmSync(folder, { recursive: true, force: true }),
    json: (...words) => world.call('--json', ...words),
    async call(...words) {
      const written = { stdout: '', stderr: '' };
      const stream = (name: 'stdout' | 'stderr') => ({
        isTerminal: name === 'stderr' && world.columns !== null,
        columns: () => world.columns ?? 80,
        write: async (content: string | Uint8Array) => {
          written[name] += typeof content === 'string' ? content : Buffer.from(content).toString('utf8');
          if (name === 'stderr') world.onSaid(String(content));
          if (name === 'stdout' && String(content).startsWith('{"type":"summary"')) world.onSummary();
        },
      });
      const cli: CliWorld = {
        version: '1.2.3',
        stdout: stream('stdout'),
        stderr: stream('stderr'),
        prompt: world.answers === null ? null : { ask: async (question) => answer(world, question, written) },
        environment: world.environment,
        clock: systemClock,
        random: systemRandom,
        openTransport: openUndiciTransport({}),
        providers,
        stateFolder: join(folder, 'state'),
        server: async () => Promise.reject(new DroverError('UNSUPPORTED', 'There is no server in this test.')),
        openClient: async (connection) => openClient({ ...connection, fetch }),
        saveFile: async (path, content) => {
          const chunks: Uint8Array[] = [];
          for await (const chunk of content) chunks.push(chunk);
          writeFileSync(path, Buffer.concat(chunks));
        },
        settingFlags: [],
        readInput: async () => world.input,
        openState: async (path, log) => openStandalone({ folder: path, clock: systemClock, random: systemRandom, log }),
        workingFolder: folder,
        homeFolder: folder,
        readTextFile: async (path) => readText(path),
        readBytes: async (path) => (existsSync(path) ? createReadStream(path) : null),
        locale: 'en-US',
        timeZone: 'UTC',
        onStop: (handler) => {
          stopper = handler;
          return () => {
            stopper = null;
          };
        },
        exitNow: (code) => world.exitNow(code),
      };
      const exit = await runCli(words, cli);
      const lines = words.includes('--json') ? parseLines(written.stdout) : [];
      return { exit, ...written, lines, summary: lines.at(-1) as unknown as Summary };
    },
  };
  return world;
}

export function parseLines(text: string): Record<string, unknown>[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

function answer(world: TestWorld, question: string, written: { stderr: string }): string {
  written.stderr += `${question}\n`;
  const next = world.answers?.shift();
  if (next === undefined) throw new DroverError('CANCELLED', `Nobody answered "${question}".`);
  return next;
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}
