/** The API, typed: what the command line speaks to a server with. */
import createOpenApiClient, { type Client as OpenApiClient } from 'openapi-fetch';
import type { Clock } from '../../lib/world.ts';
import { toDroverError } from '../../model/errors.ts';
import type { LiveEvent } from '../events/event.ts';
import { connectionError, problemOfAnswer } from './problem.ts';
import { jsonLines, serverEvents, untilAborted } from './streams.ts';
import type { components, paths } from './types.ts';

export type { LiveEvent } from '../events/event.ts';
export { ServerProblem } from './problem.ts';

/** `Wire['Run']`: the entities, as they come over the wire. */
export type Wire = components['schemas'];

export interface ClientOptions {
  /** `http://127.0.0.1:7070`. */
  readonly url: string;
  /** `null`: only what needs no sign-in. */
  readonly token: string | null;
  /** `fetch` of the platform, or something like it. */
  readonly fetch: (request: Request) => Promise<Response>;
  readonly userAgent?: string;
  /** Makes `Idempotency-Key`s of creations (1 to 255 characters, never the same twice); without it none is sent. */
  readonly newKey?: () => string;
}

export interface Client {
  /**
   * `http.GET('/api/v1/runs/{id}', { params: { path: { id } } })`. Rejects with a ServerProblem (a DroverError) for
   * every answer that is not a success; UNREACHABLE when there is none. `take` gives the body alone.
   */
  readonly http: OpenApiClient<paths>;
  checkConnector(id: string, input: Wire['CheckConnector'], signal?: AbortSignal): AsyncIterable<Wire['CheckLine']>;
  checkDraft(input: Wire['CheckDraft'], signal?: AbortSignal): AsyncIterable<Wire['CheckLine']>;
  browse(id: string, place: Wire['Place'] | null, signal?: AbortSignal): AsyncIterable<Wire['BrowsePage']>;
  discover(draft: Wire['DiscoverDraft'], signal?: AbortSignal): AsyncIterable<Wire['DiscoveredPage']>;
  startJobs(body: Wire['StartJobs'], signal?: AbortSignal): AsyncIterable<Wire['ManyOutcome']>;
  switchSchedules(body: Wire['SwitchSchedules'], signal?: AbortSignal): AsyncIterable<Wire['ManyOutcome']>;
  download(artifactId: string, fromByte?: number, signal?: AbortSignal): Promise<Download>;
  downloadRunLog(runId: string, query: LogFileQuery, signal?: AbortSignal): Promise<Download>;
  downloadAudit(query: LogFileQuery, signal?: AbortSignal): Promise<Download>;
  /**
   * Follows topics (`runs`, `run:ID`, `run-log:ID`, …) for as long as the caller reads: a lost connection is made
   * again, and what was missed comes then. Ends only with an error (NOT_SIGNED_IN, CANCELLED by the signal).
   */
  events(topics: readonly string[], clock: Clock, signal: AbortSignal): AsyncIterable<LiveEvent>;
}

/** What a list takes, without pages. */
export interface LogFileQuery {
  readonly format?: 'csv' | 'ndjson';
  readonly sort?: string;
  readonly search?: string;
  readonly [filter: `filter.${string}`]: string[];
}

export interface Download {
  readonly fileName: string | null;
  readonly sizeBytes: number | null;
  readonly content: AsyncIterable<Uint8Array>;
}

export function openClient(options: ClientOptions): Client {
  const http = openHttp(options);
  const streamed = { parseAs: 'stream' } as const;
  return {
    http,
    async *checkConnector(id, body, signal) {
      const call = http.POST('/api/v1/connectors/{id}/check', { params: { path: { id } }, body, signal, ...streamed });
      yield* jsonLines<Wire['CheckLine']>(untilAborted(bodyOf((await call).response), signal));
    },
    async *checkDraft(body, signal) {
      const call = http.POST('/api/v1/connectors/check', { body, signal, ...streamed });
      yield* jsonLines<Wire['CheckLine']>(untilAborted(bodyOf((await call).response), signal));
    },
    async *browse(id, place, signal) {
      const params = { path: { id }, query: place ?? {} };
      const call = http.GET('/api/v1/connectors/{id}/places', { params, signal, ...streamed });
      yield* jsonLines<Wire['BrowsePage']>(untilAborted(bodyOf((await call).response), signal));
    },
    async *discover(body, signal) {
      const call = http.POST('/api/v1/connectors/discover', { body, signal, ...streamed });
      yield* jsonLines<Wire['DiscoveredPage']>(untilAborted(bodyOf((await call).response), signal));
    },
    async *startJobs(body, signal) {
      const call = http.POST('/api/v1/jobs/actions/start', { body, signal, ...streamed });
      yield* jsonLines<Wire['ManyOutcome']>(untilAborted(bodyOf((await call).response), signal));
    },
    async *switchSchedules(body, signal) {
      const call = http.POST('/api/v1/schedules/actions', { body, signal, ...streamed });
      yield* jsonLines<Wire['ManyOutcome']>(untilAborted(bodyOf((await call).response), signal));
    },
    async download(artifactId, fromByte = 0, signal) {
      const header = fromByte === 0 ? {} : { Range: `bytes=${fromByte}-` };
      const params = { path: { id: artifactId }, header };
      const call = await http.GET('/api/v1/artifacts/{id}/content', { params, signal, ...streamed });
      return downloadOf(call.response, signal);
    },
    async downloadRunLog(id, query, signal) {
      const params = { path: { id }, query };
      const call = await http.GET('/api/v1/runs/{id}/log/content', { params, signal, ...streamed });
      return downloadOf(call.response, signal);
    },
    async downloadAudit(query, signal) {
      const call = await http.GET('/api/v1/audit/content', { params: { query }, signal, ...streamed });
      return downloadOf(call.response, signal);
    },
    events: (topics, clock, signal) => follow(http, topics, clock, signal),
  };
}

/** The body of a success. */
export async function take<T>(call: Promise<{ data?: T }>): Promise<T> {
  return (await call).data as T;
}

/** Every entry of a list, page by page. */
export async function* everyPage<T>(
  page: (cursor: string | undefined) => Promise<{ readonly items: readonly T[]; readonly nextCursor: string | null }>,
): AsyncGenerator<T> {
  for (let cursor: string | undefined; ;) {
    const { items, nextCursor } = await page(cursor);
    yield* items;
    if (nextCursor === null) return;
    cursor = nextCursor;
  }
}

/** Creations, which take a key: sent twice with it, they have one effect. A test holds this against the routes. */
export const CREATIONS =
  /^\/api\/v1\/(connectors|connectors\/[^/]+\/(containers|accounts\/[^/]+)|samples|endpoints|projects|timetables|people|tokens|subscriptions|projects\/[^/]+\/jobs|jobs\/[^/]+\/(runs|duplicate|schedules)|jobs\/actions\/start|runs\/[^/]+\/artifacts)$/;

/** What may be sent a second time when the connection broke before an answer came; creations get their key here. */
function isRepeatable(request: Request, newKey: ClientOptions['newKey']): boolean {
  if (request.method === 'GET') return true;
  if (request.method !== 'POST' || newKey === undefined) return false;
  if (!CREATIONS.test(new URL(request.url).pathname)) return false;
  if (!request.headers.has('Idempotency-Key')) request.headers.set('Idempotency-Key', newKey());
  return true;
}

function openHttp({ url, token, fetch: send, userAgent, newKey }: ClientOptions): OpenApiClient<paths> {
  const headers = {
    ...(token === null ? {} : { authorization: `Bearer ${token}` }),
    ...(userAgent === undefined ? {} : { 'user-agent': userAgent }),
  };
  const http = createOpenApiClient<paths>({
    baseUrl: url.replace(/\/+$/, ''),
    headers,
    // Several values of a filter are sent one by one: `filter.state=running&filter.state=queued`.
    querySerializer: { array: { style: 'form', explode: true } },
    fetch: async (request) => {
      const again = isRepeatable(request, newKey) ? request.clone() : null;
      try {
        return await send(request);
      } catch (thrown) {
        const error = connectionError(thrown, url);
        // A server that closes a connection it kept open, at the moment it is used again, has done nothing yet.
        if (again === null || error.code !== 'UNREACHABLE' || request.signal.aborted) throw error;
        return send(again).catch((later: unknown) => Promise.reject(connectionError(later, url)));
      }
    },
  });
  http.use({
    async onResponse({ response }) {
      if (response.ok) return undefined;
      throw await problemOfAnswer(response);
    },
  });
  return http;
}

function bodyOf(response: Response): ReadableStream<Uint8Array> {
  return response.body ?? new ReadableStream<Uint8Array>();
}

function downloadOf(response: Response, signal: AbortSignal | undefined): Download {
  const length = response.headers.get('content-length');
  const disposition = response.headers.get('content-disposition') ?? '';
  const encoded = /filename\*=UTF-8''([^;]+)/i.exec(disposition)?.[1];
  const plain = /filename="([^"]*)"/i.exec(disposition)?.[1];
  return {
    fileName: encoded === undefined ? (plain ?? null) : decodeURIComponent(encoded),
    sizeBytes: length === null ? null : Number(length),
    content: untilAborted(bodyOf(response), signal),
  };
}

const RECONNECT_MS_MIN = 500;
const RECONNECT_MS_MAX = 15_000;

async function* follow(
  http: OpenApiClient<paths>,
  topics: readonly string[],
  clock: Clock,
  signal: AbortSignal,
): AsyncGenerator<LiveEvent> {
  let lastId = null as string | null;
  for (let waitMs = RECONNECT_MS_MIN; ; waitMs = Math.min(RECONNECT_MS_MAX, waitMs * 2)) {
    try {
      const header: { 'Last-Event-ID'?: string } = lastId === null ? {} : { 'Last-Event-ID': lastId };
      const params = { query: { topics: topics.join(',') }, header };
      const { response } = await http.GET('/api/v1/events', { params, signal, parseAs: 'stream' });
      for await (const { id, event } of serverEvents(untilAborted(bodyOf(response), signal))) {
        waitMs = RECONNECT_MS_MIN;
        lastId = id ?? lastId;
        yield event;
      }
    } catch (thrown) {
      if (signal.aborted || !mayComeBack(thrown)) throw connectionError(thrown, '');
    }
    await clock.sleep(waitMs, signal);
  }
}

/** Refusals are final; everything about the connection or the server's state is not. */
function mayComeBack(thrown: unknown): boolean {
  if (thrown instanceof TypeError) return true;
  const { code } = toDroverError(thrown);
  return ['UNREACHABLE', 'UNAVAILABLE', 'DATABASE_UNAVAILABLE', 'CANCELLED', 'TIMED_OUT'].includes(code);
}
