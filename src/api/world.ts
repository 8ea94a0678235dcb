/** What the API is given by whoever constructs the server. */
import type { Provider } from '../contract/provider.ts';
import type { Tracing } from '../lib/tracing.ts';
import type { Clock, Log, Random } from '../lib/world.ts';
import type { Replays } from '../control/replays.ts';
import type { Services } from '../control/services.ts';
import type { Bus } from '../control/world.ts';

export interface ReadyReport {
  readonly ready: boolean;
  /** One line per thing that must work: `database`, `artifacts`, `workers`, … */
  readonly parts: readonly { readonly name: string; readonly ok: boolean; readonly detail: string }[];
}

/** The settings that the API reads. */
export interface ApiSettings {
  /** The address people use, where it is not the one listened on: `https://drover.example.com`. */
  readonly publicUrl: string | null;
  /** Further names under which it is reached; `*.domain` for all in it. */
  readonly allowedHosts: readonly string[];
  /** Addresses or ranges of reverse proxies whose `X-Forwarded-…` headers are believed. */
  readonly trustedProxies: readonly string[];
  /** Plain HTTP from other machines may sign in, on a network that is trusted. */
  readonly insecureCookies: boolean;
  /** Largest body of a request. */
  readonly bodyBytesMax: number;
}

export const API_DEFAULTS: ApiSettings = {
  publicUrl: null,
  allowedHosts: [],
  trustedProxies: [],
  insecureCookies: false,
  bodyBytesMax: 1024 * 1024,
};

export interface ApiWorld {
  readonly services: Services;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Left out: nobody traces. */
  readonly tracing?: Tracing;
  readonly settings: ApiSettings;
  readonly programVersion: string;
  readonly providers: ReadonlyMap<string, Provider>;
  readonly replays: Replays;
  readonly bus: Bus;
  ready(): Promise<ReadyReport>;
  /** Prometheus text. */
  metrics(): Promise<string>;
  /** Where the web app is; `null`: there is none. */
  readonly staticFolder: string | null;
  /** Every answer is held against its schema: for tests. */
  readonly checkAnswers?: boolean;
}

export interface Api {
  listen(host: string, port: number): Promise<{ readonly url: string }>;
  /** Ends live streams, lets requests end, closes connections. */
  close(): Promise<void>;
}
