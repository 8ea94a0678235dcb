/** A real server whose database goes away, and comes back after longer than anybody counts as alive without a word. */
import { join } from 'node:path';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../src/control/database/supervisor.ts';
import { systemClock, systemRandom } from '../../src/lib/system.ts';
import type { Random } from '../../src/lib/world.ts';
import { pause, type RunView } from './server-api.ts';
import { Installation } from './server-installation.ts';
import { quietProblems, runProblems } from './server-oracle.ts';
import { subscribe } from './server-series.ts';
import { makeRoutes, removeRoutes, type Route, type RoutePlan } from './server-routes.ts';

export interface GonePlan {
  readonly program: string;
  readonly folder: string;
  readonly goneMs: number;
  readonly random: Random;
  readonly routes: Omit<RoutePlan, 'api' | 'folder' | 'names'>;
}

export interface Answer {
  readonly atMs: number;
  readonly tookMs: number;
  readonly status: number;
  readonly code: string | null;
}

export interface Gone {
  readonly violations: readonly string[];
  /** What a reader of the API heard from the moment on when the database was away, until it answered again. */
  readonly answers: readonly Answer[];
  readonly backAfterMs: number;
}

const END_MS_MAX = 180_000;
/** After the database is back. */
const BACK_MS_MAX = 20_000;
const ANSWER_MS_MAX = 15_000;
const HAS_ENDED = new Set(['succeeded', 'completed-with-issues', 'failed', 'cancelled']);

/** One run is under way, another is being cancelled; both must come to their ends, and the API say what is the matter. */
export async function databaseGone(plan: GonePlan): Promise<Gone> {
  const { program, folder, random } = plan;
  const start = (): Promise<EmbeddedPostgres> =>
    startEmbeddedPostgres({
      folder: join(folder, 'gone-database'),
      clock: systemClock,
      random: systemRandom,
      log: () => undefined,
    });
  let database = await start();
  let routes: readonly Route[] = [];
  let server: Installation | null = null;
  try {
    server = await Installation.start({
      program,
      folder: join(folder, 'gone'),
      workers: 1,
      random,
      database: database.url,
      settings: { DROVER_MASTER_KEY: Buffer.from(random.bytes(32)).toString('base64') },
    });
    await subscribe(server.api);
    const names = ['bucket-to-folder', 'folder-to-bucket'] as const;
    routes = await makeRoutes({ ...plan.routes, names, api: server.api, folder: join(folder, 'gone-places') });
    const [going, ending] = await Promise.all(routes.map((route) => underWay(server as Installation, route)));
    await server.api.once('POST', `/runs/${ending}/cancel`);
    await database.stop();
    const goneAtMs = systemClock.now();
    const watch = new AbortController();
    const watching = hear(server, watch.signal);
    await pause(plan.goneMs);
    const comingAtMs = systemClock.now();
    database = await start();
    const returnedAtMs = systemClock.now();
    const runs = [await ended(server, going as string), await ended(server, ending as string)];
    watch.abort();
    const heard = await watching;
    const firstAgain = heard.find(({ atMs, status }) => atMs >= returnedAtMs && status === 200);
    const backAfterMs = (firstAgain?.atMs ?? Number.POSITIVE_INFINITY) - returnedAtMs;
    const isMeanwhile = ({ atMs, tookMs }: Answer): boolean => atMs >= goneAtMs && atMs + tookMs < comingAtMs;
    const answers = heard.filter((answer) => isMeanwhile(answer) || answer.tookMs > ANSWER_MS_MAX);
    const violations = [
      ...answerProblems(answers, backAfterMs),
      ...(await endProblems(server, routes, runs)),
      ...(await quietProblems(server)),
    ];
    return { violations, answers, backAfterMs };
  } finally {
    await removeRoutes(routes);
    await server?.remove();
    await database.stop();
  }
}

async function underWay({ api }: Installation, { jobs, target }: Route): Promise<string> {
  const { id } = await api.once<RunView>('POST', `/jobs/${jobs.merge}/runs`, { kind: 'transfer' });
  while ((await target.list()).length === 0) await pause(50);
  return id;
}

/** As a page that is open somewhere: it asks, whatever it hears. */
async function hear(server: Installation, signal: AbortSignal): Promise<readonly Answer[]> {
  const answers: Answer[] = [];
  while (!signal.aborted) {
    const atMs = systemClock.now();
    const headers = { authorization: `Bearer ${server.token}` };
    const answer = await fetch(`${server.url}/api/v1/runs?limit=1`, { headers }).catch(() => null);
    const body = (await answer?.json().catch(() => null)) as { readonly code?: string } | null | undefined;
    const tookMs = systemClock.now() - atMs;
    answers.push({ atMs, tookMs, status: answer?.status ?? 0, code: body?.code ?? null });
    await pause(250);
  }
  return answers;
}

function answerProblems(answers: readonly Answer[], backAfterMs: number): readonly string[] {
  const wrong = answers.filter(({ status, code }) => status !== 503 || code !== 'DATABASE_UNAVAILABLE');
  const slow = answers.filter(({ tookMs }) => tookMs > ANSWER_MS_MAX);
  return [
    ...(answers.length === 0 ? ['nobody asked while the database was away'] : []),
    ...wrong.map(({ status, code }) => `without a database the API answered ${status} ${code}`),
    ...slow.map(({ tookMs }) => `without a database the API took ${tookMs} ms to say so`),
    ...(backAfterMs <= BACK_MS_MAX ? [] : [`the API answered only ${backAfterMs} ms after the database was back`]),
  ];
}

async function ended({ api }: Installation, runId: string): Promise<RunView> {
  const endAtMs = systemClock.now() + END_MS_MAX;
  for (;;) {
    const run = await api.get<RunView>(`/runs/${runId}`);
    if (HAS_ENDED.has(run.state) || systemClock.now() > endAtMs) return run;
    await pause(300);
  }
}

async function endProblems(
  server: Installation,
  [going, ending]: readonly Route[],
  [ran, stopped]: readonly RunView[],
): Promise<readonly string[]> {
  if (going === undefined || ending === undefined || ran === undefined || stopped === undefined) return ['no runs'];
  const { scanned = 0, failed = 0, ...others } = stopped.counters.items;
  const sum = ['copied', 'same', 'excluded', 'skipped', 'unsupported'].reduce(
    (all, key) => all + (others[key] ?? 0),
    0,
  );
  const rows = (await server.api.copyLog(stopped.id)).length;
  const left = async (): Promise<readonly string[]> => [
    ...(await ending.target.leftovers()),
    ...(await server.query(`SELECT FROM intents WHERE run_id = $1`, [stopped.id])).map(() => 'an intent is journaled'),
  ];
  // Sweeping goes on for a while after the run has ended.
  for (const endAtMs = systemClock.now() + END_MS_MAX; (await left()).length > 0 && systemClock.now() < endAtMs;) {
    await pause(500);
  }
  return [
    ...(await runProblems(server, going, ran)).map((problem) => `the run that went on: ${problem}`),
    ...(stopped.state === 'cancelled' ? [] : [`the cancelled run is ${stopped.state}`]),
    ...(scanned === sum + failed && failed === 0 ? [] : ['the sums of the cancelled run are wrong']),
    ...(rows === scanned ? [] : [`the cancelled run has ${rows} rows for ${scanned} items`]),
    ...(await left()).map((problem) => `the cancelled run: ${problem}`),
    ...server.endings
      .filter(({ service, code }) => service === 'server' || code === 2)
      .map(({ service, code }) => `${service} ended by itself with ${code}`),
  ];
}
