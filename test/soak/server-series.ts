/** Starts runs of a real server, kills what it is made of at random instants, and asks the oracle when all have ended. */
import { join } from 'node:path';
import { systemClock } from '../../src/lib/system.ts';
import type { Random } from '../../src/lib/world.ts';
import { Away, pause, type Api, type RunView } from './server-api.ts';
import { Installation, type Victim } from './server-installation.ts';
import { idleProblems, quietProblems, restoredProblems, runProblems } from './server-oracle.ts';
import { makeRoutes, removeRoutes, type Route, type RoutePlan } from './server-routes.ts';
import type { TreeSize } from './tree.ts';

export interface ServerPlan {
  readonly program: string;
  readonly folder: string;
  readonly workers: number;
  readonly routes: Omit<RoutePlan, 'api' | 'folder'>;
  readonly kills: number;
  readonly killsPerSeriesMax: number;
  /** Between two kills at most, and before the first. */
  readonly gapMsMax: number;
  /** Such a share of the kills does not wait for the one before to be mended. */
  readonly soonShare: number;
  readonly random: Random;
  readonly say: (line: string) => void;
}

export interface ServerSoak {
  readonly kills: Record<Victim, number>;
  series: number;
  runs: number;
  takeovers: number;
  /** Messages about ends of runs, and ends: what a crash took along is their difference. */
  told: number;
  readonly violations: string[];
  /** Lines of error in the logs, and ends of processes that nobody asked for. */
  readonly remarks: string[];
}

type Mode = 'merge' | 'mirror';

const VICTIMS: readonly Victim[] = ['worker', 'server', 'database', 'all'];
const END_MS_MAX = 180_000;
const GAP_MS_MIN = 200;
/** In such a share of the series the first kill comes while the runs are being started, so soon. */
const EARLY_SHARE = 0.25;
const FIRST_MS_MAX = 400;
const VIOLATIONS_MAX = 20;

export async function soakServer(plan: ServerPlan): Promise<ServerSoak> {
  const { folder, program, random, workers } = plan;
  const server = await Installation.start({ program, folder: join(folder, 'server'), workers, random });
  let routes: readonly Route[] = [];
  try {
    await subscribe(server.api);
    routes = await makeRoutes({ ...plan.routes, api: server.api, folder: join(folder, 'places') });
    const soaking = new Soaking(plan, server, routes);
    await soaking.run();
    return soaking.result;
  } finally {
    await removeRoutes(routes);
    await server.remove();
  }
}

/** Nobody listens there: what is to be told stays in the table. */
async function subscribe(api: Api): Promise<void> {
  await api.once('POST', '/subscriptions', {
    name: 'Ends of runs',
    kind: 'webhook',
    destination: 'https://192.0.2.1/ends',
    events: ['run.completed', 'run.failed', 'run.attention'],
    digest: 'daily',
    enabled: true,
    projectId: null,
  });
}

class Soaking {
  readonly result: ServerSoak = {
    kills: { worker: 0, server: 0, database: 0, all: 0 },
    series: 0,
    runs: 0,
    takeovers: 0,
    told: 0,
    violations: [],
    remarks: [],
  };
  readonly #plan: ServerPlan;
  readonly #server: Installation;
  readonly #routes: readonly Route[];
  #deck: Victim[] = [];
  #backup: { readonly path: string; readonly madeAtMs: number } | null = null;

  constructor(plan: ServerPlan, server: Installation, routes: readonly Route[]) {
    this.#plan = plan;
    this.#server = server;
    this.#routes = routes;
  }

  get #kills(): number {
    return Object.values(this.result.kills).reduce((sum, kills) => sum + kills, 0);
  }

  async run(): Promise<void> {
    const { kills, say } = this.#plan;
    for (let mode: Mode = 'merge'; this.#kills < kills; mode = mode === 'merge' ? 'mirror' : 'merge') {
      if (this.result.violations.length > VIOLATIONS_MAX) {
        say('    Enough is known; the rest is left out.');
        break;
      }
      await this.#series(mode);
    }
    await this.#restore();
    await this.#conclude();
  }

  async #series(mode: Mode): Promise<void> {
    const { random, kills, killsPerSeriesMax, say } = this.#plan;
    await this.#prepare(mode);
    this.result.series += 1;
    const wanted = Math.min(1 + Math.ceil(random.fraction() * (killsPerSeriesMax - 1)), kills - this.#kills);
    const starting = this.#startAll(mode);
    // Its failure is reported where it is awaited.
    starting.catch(() => undefined);
    const what = await this.#killSome(wanted, starting);
    const runs = await this.#ended(await starting);
    await this.#server.ready();
    const problems: string[] = [];
    for (const [i, run] of runs.entries()) {
      const route = this.#routes[i] as Route;
      for (const problem of await runProblems(this.#server, route, run)) problems.push(`${route.name}: ${problem}`);
    }
    const again = await this.#ended(await this.#startAll(mode));
    for (const [i, run] of again.entries()) {
      for (const problem of idleProblems(run)) problems.push(`${this.#routes[i]?.name}: ${problem}`);
    }
    problems.push(...(await quietProblems(this.#server)));
    say(`${mode}, killed: ${what.join(', ')}: ${problems.length === 0 ? 'ok' : 'WRONG'}`);
    for (const problem of problems) this.#wrong(problem);
  }

  /** A merge begins anew; a mirror follows what has changed. */
  async #prepare(mode: Mode): Promise<void> {
    const { random } = this.#plan;
    const size: TreeSize = this.#plan.routes.size;
    if (mode === 'merge') for (const { target } of this.#routes) await target.clear();
    else {
      for (const { tree } of new Set(this.#routes.map(({ source }) => source))) await tree.change(random, size);
    }
  }

  /** Until so many were killed or there is nothing left to disturb. What died, and when. */
  async #killSome(wanted: number, starting: Promise<readonly string[]>): Promise<readonly string[]> {
    const { random } = this.#plan;
    const what: string[] = [];
    const beganAtMs = systemClock.now();
    if (random.fraction() < EARLY_SHARE) await pause(random.fraction() * FIRST_MS_MAX);
    else await starting.then(() => this.#gap());
    while (what.length < wanted) {
      const victim = this.#draw();
      if (this.#server.kill(victim)) {
        this.result.kills[victim] += 1;
        what.push(`${victim} at ${systemClock.now() - beganAtMs} ms`);
      } else this.#deck.push(victim);
      // Most of the time what died is back before the next blow; sometimes that falls into its coming back.
      if (random.fraction() >= this.#plan.soonShare) {
        await this.#server.ready();
        await starting;
        if (await this.#isQuiet()) break;
        if (this.#backup === null && this.#kills * 2 > this.#plan.kills) await this.#makeBackup();
      }
      await this.#gap();
    }
    return what;
  }

  #gap(): Promise<void> {
    const { random, gapMsMax } = this.#plan;
    return pause(GAP_MS_MIN + random.fraction() * (gapMsMax - GAP_MS_MIN));
  }

  /** Each kind once before any comes again. */
  #draw(): Victim {
    if (this.#deck.length === 0) this.#deck = [...VICTIMS];
    const [drawn] = this.#deck.splice(Math.floor(this.#plan.random.fraction() * this.#deck.length), 1);
    return drawn as Victim;
  }

  async #isQuiet(): Promise<boolean> {
    const page = await this.#server.api.get<{ items: RunView[] }>('/runs?limit=20');
    return page.items.every(({ endedAt }) => endedAt !== null);
  }

  /** In mid-run, as a job of the night does it; one that meets a database that is away is made another time. */
  async #makeBackup(): Promise<void> {
    const path = join(this.#plan.folder, 'backup');
    const madeAtMs = systemClock.now();
    try {
      await this.#server.command(['db', 'backup', path]);
      this.#backup = { path, madeAtMs };
    } catch (error) {
      this.#plan.say(`    no backup this time: ${String(error).slice(0, 200)}`);
    }
  }

  /** One run of each job; as often as the server dies on it, but never two at once. */
  async #startAll(mode: Mode): Promise<readonly string[]> {
    return Promise.all(this.#routes.map(({ jobs }) => this.#start(jobs[mode])));
  }

  async #start(jobId: string): Promise<string> {
    const { api } = this.#server;
    const before = (await api.newestRun(jobId))?.number ?? 0;
    for (;;) {
      try {
        const { id } = await api.once<RunView>('POST', `/jobs/${jobId}/runs`, { kind: 'transfer' });
        this.result.runs += 1;
        return id;
      } catch (error) {
        if (!(error instanceof Away)) throw error;
      }
      const newest = await api.newestRun(jobId);
      if (newest !== null && newest.number > before) {
        this.result.runs += 1;
        return newest.id;
      }
    }
  }

  async #ended(runIds: readonly string[]): Promise<readonly RunView[]> {
    const { api } = this.#server;
    const endAtMs = systemClock.now() + END_MS_MAX;
    const runs: RunView[] = [];
    for (const id of runIds) {
      for (;;) {
        const run = await api.get<RunView>(`/runs/${id}`);
        if (run.endedAt !== null) {
          runs.push(run);
          break;
        }
        if (run.state === 'paused' || systemClock.now() > endAtMs) throw new Error(await this.#stuck(run));
        await pause(300);
      }
    }
    return runs;
  }

  async #stuck(run: RunView): Promise<string> {
    const segments = await this.#server.query(
      `SELECT segment_id, kind, state, epoch, worker_id, lease_until - clock_timestamp() AS rest FROM segments
       WHERE run_id = $1 AND state <> 'done'`,
      [run.id],
    );
    const words = `run ${run.id} of "${run.jobName}" is stuck: ${run.state}, ${JSON.stringify(run.waits)}`;
    return `${words}, ${JSON.stringify(segments)}, ${JSON.stringify(run.error)}`;
  }

  /** The backup becomes another server, which shows the same runs and lets them be. */
  async #restore(): Promise<void> {
    if (this.#backup === null) await this.#makeBackup();
    const { path, madeAtMs } = this.#backup as { path: string; madeAtMs: number };
    const { folder, program, random, say } = this.#plan;
    const from = { backup: path, other: this.#server };
    const restored = await Installation.start({ program, folder: join(folder, 'restored'), workers: 0, random, from });
    try {
      const problems = restoredProblems(await this.#server.api.allRuns(), await restored.api.allRuns(), madeAtMs);
      say(`backup restored: ${problems.length === 0 ? 'ok' : 'WRONG'}`);
      for (const problem of problems) this.#wrong(`backup: ${problem}`);
    } finally {
      await restored.remove();
    }
  }

  async #conclude(): Promise<void> {
    const [sums] = await this.#server.query<{ takeovers: number; told: number }>(
      `SELECT (SELECT coalesce(sum(takeovers), 0)::integer FROM segments) AS takeovers,
         (SELECT count(*)::integer FROM deliveries) + (SELECT count(*)::integer FROM outbox) AS told`,
    );
    this.result.takeovers = sums?.takeovers ?? 0;
    this.result.told = sums?.told ?? 0;
    for (const problem of await this.#server.stop()) this.#wrong(problem);
    for (const { service, code, signal, said } of this.#server.endings) {
      const words = `${service} ended by itself (${signal ?? code}): ${said.trim().split('\n').at(-1)}`;
      // A worker that cannot get to the database ends, and whoever watches it starts it again; a server waits.
      if (service === 'server' || code === 2) this.#wrong(words);
      else this.result.remarks.push(words);
    }
    for (const [words, count] of this.#server.faults) {
      if (words.includes('"INTERNAL"')) this.#wrong(`an unexpected fault, ${count} times: ${words}`);
      else this.result.remarks.push(`${count} times: ${words}`);
    }
  }

  #wrong(violation: string): void {
    this.#plan.say(`    ${violation}`);
    this.result.violations.push(violation);
  }
}
