/** Everything outside the command line that it may touch; `main.ts` makes the real one, tests make their own. */
import type { Client } from '../api/client/client.ts';
import type { Provider } from '../contract/provider.ts';
import type { OpenTransport } from '../lib/transport.ts';
import type { Clock, Log, Random } from '../lib/world.ts';
import type { Standalone } from '../standalone/standalone.ts';
import type { ServerCommands, SettingFlag } from './server-commands.ts';

export interface TextStream {
  readonly isTerminal: boolean;
  /** Width of the terminal in characters; 80 where that is not known. */
  columns(): number;
  /** Resolves when more may be written. Rejects with CANCELLED when nobody reads any more. */
  write(content: string | Uint8Array): Promise<void>;
}

export interface Prompt {
  /** One line without its end; hidden ones are not echoed. CANCELLED when the person gives up. */
  ask(question: string, hidden: boolean): Promise<string>;
}

export interface CliWorld {
  readonly version: string;
  readonly stdout: TextStream;
  readonly stderr: TextStream;
  /** `null` when nobody can answer. */
  readonly prompt: Prompt | null;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly random: Random;
  readonly openTransport: OpenTransport;
  /** In the order in which they are offered. */
  readonly providers: readonly Provider[];
  /** Where state is kept unless `--state` says otherwise. */
  readonly stateFolder: string;
  openState(folder: string, log: Log): Promise<Standalone>;
  /** Brought in only when a command of the server is called. */
  server(): Promise<ServerCommands>;
  /** The API of a server. Brought in only when a command goes to one. */
  openClient(connection: { readonly url: string; readonly token: string | null }): Promise<Client>;
  /** Writes beside and renames: a file of that name is always whole. ALREADY_EXISTS unless it may be replaced. */
  saveFile(path: string, content: AsyncIterable<Uint8Array>, mayReplace: boolean): Promise<void>;
  /** What `serve` and `worker` take beside their own options. */
  readonly settingFlags: readonly SettingFlag[];
  /** All of standard input, as text. */
  readInput(): Promise<string>;
  readonly workingFolder: string;
  readonly homeFolder: string;
  /** `null` when there is no such file. */
  readTextFile(path: string): Promise<string | null>;
  /** Piece by piece; `null` when there is no such file. */
  readBytes(path: string): Promise<AsyncIterable<Uint8Array> | null>;
  readonly locale: string;
  readonly timeZone: string;
  /** Calls back at each request to stop (Ctrl-C, SIGTERM); returns how to end that. */
  onStop(handler: () => void): () => void;
  /** How busy this process was lately, from 0 to 1; left out: not known. */
  readonly eventLoopUse?: () => number;
  /** Ends the process without any further work. */
  exitNow(code: number): void;
}
