/** What a provider's test gives to the kit, and what every check of the kit gets. */
import type { Account, Manifest, Place, Provider, Source, Target, TargetOptions } from '../contract/provider.ts';
import type { Config } from '../contract/fields.ts';
import type { OpenTransport } from '../lib/transport.ts';
import type { Properties } from '../model/entry.ts';
import type { ErrorCode } from '../model/errors.ts';
import type { Faults } from './faults.ts';

/** How close to the real thing the kit runs; printed in the matrix. */
export type Level = 'live' | 'real-server' | 'emulator' | 'faked';

export interface Harness {
  /** Names the matrix file too: `s3 on Ceph RGW`. */
  readonly name: string;
  readonly provider: Provider;
  readonly level: Level;
  /**
   * An account with a fresh, empty place of its own. `wrap` has to be put around the transport that the provider
   * gets in its context; a provider without transport ignores it.
   */
  open(wrap: Wrap): Promise<Bench>;
  /** What a good form holds: input for `parseConfig`. `bench.config` must come from such a one. */
  config(): Promise<Readonly<Record<string, unknown>>>;
  /** The wrappers of production: the whole kit runs a second time through them. */
  readonly production?: {
    readonly wrap: Wrap;
    retry<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T>;
  };
  /**
   * So many keys make three pages of a listing or more; 0 where seeding them would take too long.
   * The 10,000 of the contract where the store is fast.
   */
  readonly manyKeys: number;
  /** Each row of the provider's table of errors, provoked. */
  readonly errors?: readonly ErrorRow[];
  /** `suite: check` → why the provider may fail it. An exemption that is not needed fails. */
  readonly exempt?: Readonly<Record<string, string>>;
  /** Folder of the matrix; `node_modules/.cache/drover/conformance` when left out. */
  readonly matrixFolder?: string;
}

export type Wrap = (open: OpenTransport) => OpenTransport;

export interface ErrorRow {
  readonly name: string;
  readonly code: ErrorCode;
  /** The described field at fault, where one is. */
  readonly field?: string;
  provoke(bench: Bench, signal: AbortSignal): Promise<unknown>;
}

/** One opened account and an empty place. What is under `place` belongs to the check alone. */
export interface Bench extends AsyncDisposable {
  readonly account: Account;
  readonly config: Config;
  readonly place: Place;
  /** The account as another process would open it: nothing shared in memory. */
  reopen(): Promise<Account>;
  /** A container that does not exist. */
  readonly absentContainer: string;
  /** Puts an object there by other means than the provider under test. Keys are relative to the place. */
  seed(key: string, content: Uint8Array, properties?: Partial<Properties>): Promise<void>;
  /** Faster seeding of many small objects, where there is a way. */
  seedMany?(keys: readonly string[], content: Uint8Array): Promise<void>;
  /** A place of exactly these, made once for all checks that only read it, where seeding takes long. */
  seedShared?(keys: readonly string[], content: Uint8Array): Promise<Place>;
  /** Content by other means; `null` when there is nothing. */
  peek(key: string): Promise<Uint8Array | null>;
  /** Takes an object away by other means. */
  wipe(key: string): Promise<void>;
  /** Keys of all objects that a reader can see in the place, by other means, in any order. */
  keys(): Promise<readonly string[]>;
  /** Temporary things left behind: unfinished uploads, temporary files. Left out where they cannot be seen. */
  leftovers?(): Promise<readonly string[]>;
  /** A foreign upload in parts of this key, begun by somebody else. Left out where none can be made. */
  foreignUpload?(key: string): Promise<void>;
  /** Everything that was logged through the context. */
  readonly logged: readonly string[];
  /** Ways to disturb a store that is not behind the wrapped transport. */
  readonly faults?: Faults;
  /** Contents that are being read, where that is not behind the wrapped transport. */
  openReadings?(): number;
}

/** What a check works with. Everything opened through it is closed after the check. */
export interface Trial {
  readonly harness: Harness;
  readonly manifest: Manifest;
  readonly bench: Bench;
  readonly account: Account;
  readonly place: Place;
  readonly signal: AbortSignal;
  readonly faults: Faults | null;
  /** Contents that are being read and were neither finished nor left. */
  openReadings(): number;
  /** How production repeats an operation; `null` in the plain pass. */
  readonly retry: (<T>(work: () => Promise<T>, signal: AbortSignal) => Promise<T>) | null;
  source(place?: Place): Promise<Source>;
  target(options?: Partial<TargetOptions>, account?: Account): Promise<Target>;
}

/** One sentence of the contract, as a test. `run` throws when it does not hold. */
export interface Check {
  readonly suite: string;
  readonly name: string;
  /** Why the check does not apply to such a provider; `null` when it does. */
  readonly unless?: (manifest: Manifest, harness: Harness) => string | null;
  run(trial: Trial): Promise<void>;
}

/** Thrown by a check that finds out only on the way that it does not apply. */
export class NotApplicable extends Error {
  override readonly name = 'NotApplicable';
}

/** Name of a check in exemptions and in the matrix. */
export function nameOf(check: Check): string {
  return `${check.suite}: ${check.name}`;
}
