/** The HTTP API as scripts use it, by plain requests: apart from Drover's own client. */
import { gunzipSync } from 'node:zlib';
import type { ItemRecord } from '../../src/model/outcome.ts';
import { systemClock } from '../../src/lib/system.ts';

export interface RunView {
  readonly id: string;
  readonly number: number;
  readonly jobId: string;
  readonly jobName: string;
  readonly state: string;
  readonly waits: { readonly kind: string; readonly text: string } | null;
  readonly queuedAt: string;
  readonly endedAt: string | null;
  readonly error: { readonly code: string; readonly message: string } | null;
  readonly counters: {
    readonly items: Readonly<Record<string, number>>;
    readonly bytes: Readonly<Record<string, number>>;
    readonly verification: Readonly<Record<string, number>>;
  };
  readonly requests: { readonly target: Readonly<Record<string, number>> };
  readonly manifestRoot: string | null;
  readonly live: unknown;
}

export interface Made {
  readonly id: string;
}

/** Refused with a reason that waiting does not change. */
export class Refused extends Error {
  readonly code: string;

  constructor(what: string, code: string, detail: string) {
    super(`${what} was refused: ${code}, ${detail}`);
    this.code = code;
  }
}

/** No answer, or one that says so: the server or its database is away. */
export class Away extends Error {}

const PASSING = new Set(['DATABASE_UNAVAILABLE', 'UNAVAILABLE', 'SLOW_DOWN']);
const PATIENCE_MS = 120_000;
const REQUEST_MS_MAX = 60_000;

export class Api {
  readonly #url: string;
  readonly #token: string;

  constructor(url: string, token: string) {
    this.#url = url;
    this.#token = token;
  }

  /** One attempt: `Away` when it is not known whether it had any effect. */
  async once<T>(method: string, path: string, body?: unknown): Promise<T> {
    return (await (await this.#ask(method, path, body)).json()) as T;
  }

  /** Tries until there is an answer: only for what may be asked twice. */
  async get<T>(path: string): Promise<T> {
    return this.#patiently(() => this.once<T>('GET', path));
  }

  async newestRun(jobId: string): Promise<RunView | null> {
    const page = await this.get<{ items: RunView[] }>(`/runs?filter.jobId=${jobId}&limit=1`);
    return page.items[0] ?? null;
  }

  async allRuns(): Promise<readonly RunView[]> {
    const all: RunView[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const more = cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`;
      const page: { items: RunView[]; nextCursor: string | null } = await this.get(`/runs?limit=200${more}`);
      all.push(...page.items);
      cursor = page.nextCursor;
    }
    return all;
  }

  /** Has the copy log made, and reads it as a whole. */
  async copyLog(runId: string): Promise<readonly ItemRecord[]> {
    const body = { kind: 'copy-log-ndjson' };
    const { id } = await this.#patiently(() => this.once<Made>('POST', `/runs/${runId}/artifacts`, body));
    const endAtMs = systemClock.now() + PATIENCE_MS;
    for (;;) {
      const { state } = await this.get<{ state: string }>(`/artifacts/${id}`);
      if (state === 'ready') break;
      if (state !== 'pending' || systemClock.now() > endAtMs) throw new Error(`The copy log of ${runId} is ${state}.`);
      await pause(200);
    }
    const content = await this.#patiently(async () => {
      const response = await this.#ask('GET', `/artifacts/${id}/content`);
      return Buffer.from(await response.arrayBuffer());
    });
    const lines = gunzipSync(content).toString('utf8').split('\n');
    return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as ItemRecord);
  }

  async #ask(method: string, path: string, body?: unknown): Promise<Response> {
    const what = `${method} ${path}`;
    const response = await fetch(`${this.#url}/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${this.#token}`, ...(body === undefined ? {} : JSON_BODY) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(REQUEST_MS_MAX),
    }).catch((error: unknown) => {
      throw new Away(`${what}: ${String(error)}`);
    });
    if (response.ok) return response;
    const problem = (await response.json().catch(() => ({}))) as { code?: string; detail?: string };
    const code = problem.code ?? String(response.status);
    if (PASSING.has(code)) throw new Away(`${what}: ${code}, ${problem.detail}`);
    throw new Refused(what, code, problem.detail ?? '');
  }

  async #patiently<T>(work: () => Promise<T>): Promise<T> {
    const endAtMs = systemClock.now() + PATIENCE_MS;
    for (;;) {
      try {
        return await work();
      } catch (error) {
        const isCut = error instanceof Away || (error instanceof TypeError && !(error instanceof Refused));
        if (!isCut || systemClock.now() > endAtMs) throw error;
        await pause(150);
      }
    }
  }
}

const JSON_BODY = { 'content-type': 'application/json' };

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
