/** What every part of the server is given: the state it shares and the world it may touch. */
import type { Kysely, Transaction } from 'kysely';
import type { Account, Provider } from '../contract/provider.ts';
import type { Config } from '../contract/fields.ts';
import type { ArtifactStore } from '../engine/ports.ts';
import type { Tracing } from '../lib/tracing.ts';
import type { OpenTransport } from '../lib/transport.ts';
import type { Clock, Log, Random } from '../lib/world.ts';
import type { Actor } from './entities.ts';
import type { Schema } from './database/schema.ts';
import type { Traffic } from './metrics/traffic.ts';
import type { Settings } from './settings/settings.ts';

export type Db = Kysely<Schema>;
export type Tx = Transaction<Schema>;

export interface ControlWorld {
  readonly db: Db;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly settings: Settings;
  readonly providers: ReadonlyMap<string, Provider>;
  readonly vault: Vault;
  readonly artifacts: ArtifactStore;
  readonly bus: Bus;
  readonly openTransport: OpenTransport;
  /** Where a server counts what it asks of connectors by itself. Workers count for each end of a run. */
  readonly serverTraffic?: Traffic;
  /** Left out: nobody traces. */
  readonly tracing?: Tracing;
  /** The process's environment, for standard credential chains. Never logged. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly programVersion: string;
  /** Where the program lies; no connector may lead there. */
  readonly programFolder?: string;
  /** The file of the settings, where one was named; no connector may lead there either. */
  readonly settingsFile?: string;
}

/** Secrets at rest: one data key per secret, wrapped by the master key. Never logs, never returns what it sealed elsewhere. */
export interface Vault {
  /** Names the master key without telling it. */
  readonly masterKeyId: string;
  seal(tx: Tx, secretId: string | null, content: Readonly<Record<string, string>>): Promise<string>;
  open(db: Db | Tx, secretId: string): Promise<Readonly<Record<string, string>>>;
  remove(tx: Tx, secretId: string): Promise<void>;
  /** First characters of a keyed hash: tells one value from another and nothing else. */
  fingerprint(value: string): string;
  /** Keyed hash for signing reports and webhooks; `purpose` separates the keys. */
  sign(purpose: string, content: Uint8Array): string;
}

/** Tells every process what changed. A lost message costs only time: everybody also looks by itself. */
export interface Bus {
  /** After commit when given a transaction. */
  tell(topic: Topic, id: string, tx?: Tx): Promise<void>;
  /** `onGap`: messages may have been lost; look by yourself. */
  listen(handler: (topic: Topic, id: string) => void, onGap?: () => void): () => void;
}

export type Topic =
  | 'run'
  | 'runs'
  | 'connector'
  | 'endpoint'
  | 'project'
  | 'job'
  | 'schedule'
  | 'timetable'
  | 'artifact'
  | 'person'
  | 'worker'
  | 'subscription'
  | 'run-log'
  | 'work';

/** An audit line, in the same transaction as what it tells of. */
export type Audit = (
  tx: Tx,
  actor: Actor,
  line: {
    readonly action: string;
    readonly entityKind: string;
    readonly entityId: string | null;
    readonly entityName: string | null;
    readonly changes?: Readonly<Record<string, readonly [unknown, unknown]>>;
  },
) => Promise<void>;

/** Signs in to a saved connector. The caller disposes of the account. */
export type OpenConnector = (
  connectorId: string,
  openTransport: OpenTransport,
) => Promise<{
  readonly account: Account;
  readonly provider: Provider;
  readonly name: string;
  /** Without its secrets. */
  readonly config: Config;
  /** For `Connectors.reportHealth`. */
  readonly version?: number;
}>;
