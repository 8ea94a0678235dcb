/** Everything outside the command line that it may touch; `main.ts` makes the real one, tests make their own. */
import type { Provider, TargetFacts } from '../contract/provider.ts';
import type { Config } from '../contract/fields.ts';
import type { ArtifactStore, RunStore } from '../engine/ports.ts';
import type { OpenTransport } from '../lib/transport.ts';
import type { Clock, Random } from '../lib/world.ts';
import type { EndDefinition } from '../engine/definition.ts';

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

export interface SavedConnector {
  readonly name: string;
  readonly provider: string;
  readonly config: Config;
  readonly savedAtMs: number;
}

/** Names compare without case. */
export interface SavedConnectors {
  list(): Promise<readonly SavedConnector[]>;
  get(name: string): Promise<SavedConnector | null>;
  save(connector: Omit<SavedConnector, 'savedAtMs'>): Promise<void>;
  /** False when there is none of that name. */
  remove(name: string): Promise<boolean>;
}

/** What stores were seen to honour, by account and bucket. */
export interface FactStore {
  get(fingerprint: string, container: string): Promise<TargetFacts | null>;
  save(fingerprint: string, container: string, facts: TargetFacts): Promise<void>;
}

/** Drover's own state: one folder. */
export interface CliState {
  readonly store: RunStore;
  readonly artifacts: ArtifactStore;
  readonly connectors: SavedConnectors;
  readonly facts: FactStore;
  /** One active run for each target subtree; GUARD_BUSY says which run holds it. Released with the process. */
  lockTarget(target: EndDefinition, command: string): Promise<() => Promise<void>>;
  /** Forgets a run that has ended: its record, log and snapshot. */
  removeRun(runId: string): Promise<void>;
  close(): Promise<void>;
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
  openState(folder: string): Promise<CliState>;
  readonly workingFolder: string;
  readonly homeFolder: string;
  /** `null` when there is no such file. */
  readTextFile(path: string): Promise<string | null>;
  readonly locale: string;
  readonly timeZone: string;
  /** Calls back at each request to stop (Ctrl-C, SIGTERM); returns how to end that. */
  onStop(handler: () => void): () => void;
  /** Ends the process without any further work. */
  exitNow(code: number): void;
}
