/** Starts runs of a real server, kills what it is made of at random instants, and asks the oracle when all have ended. */
import { join } from 'node:path';
import { systemClock } from '../../src/lib/system.ts';
import type { Random } from '../../src/lib/world.ts';
import { Away, pause, type Api, type RunView } from './server-api.ts';
import { Installation, type Victim } from './server-installation.ts';
import { idleProblems, journaledUploads, quietProblems, restoredProblems, runProblems } from './server-oracle.ts';
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
  /** Installations that were lost, and made anew from a backup. */
  restores: number;
  /** Messages about ends of runs, and ends: what a crash took along is their difference. */
  told: number;
  readonly violations: string[];
  /** Lines of error in the logs, and ends of processes that nobody asked for. */
  readonly remarks: string[];
}

type Mode = 'merge' | 'mirror';

/** What befell a series of runs. */
interface Disturbance {
  readonly words: string;
  readonly problems: readonly string[];
}

const VICTIMS: readonly Victim[] = ['worker', 'server', 'database', 'all'];
const END_MS_MAX = 180_000;
const GAP_MS_MIN = 200;
/** In such a share of the series the first kill comes while the runs are being started, so soon. */
const EARLY_SHARE = 0.25;
const FIRST_MS_MAX = 400;
const VIOLATIONS_MAX = 20;
const LAST_REQUESTS_MS = 1_000;
/** Bytes a second of the runs of which a backup is to be made: however long that takes, they are under way. */
const UNTIL_BACKED_UP = 128 * 1024;

export async function soakServer(plan: ServerPlan): Promise<ServerSoak> {
  const { folder, program, random, workers } = plan;
  const server = await Installation.start({ program, folder: join(folder, 'server'), workers, random });
  let routes: readonly Route[] = [];
  let soaking: Soaking | null = null;
  try {
    await subscribe(server.api);
    routes = await makeRoutes({ ...plan.routes, api: server.api, folder: join(folder, 'places') });
    soaking = new Soaking(plan, server, routes);
    await soaking.run();
    return soaking.result;
  } catch (error) {
    const said = (soaking?.installations ?? [server]).flatMap(({ endings }) => endings).slice(-4);
    throw new Error(`It could not go on. The last ends of processes: ${JSON.stringify(said, null, 2)}`, {
      cause: error,
    });
  } finally {
    await removeRoutes(routes);
    for (const installation of soaking?.installations ?? [server]) await installation.remove();
  }
}

/** Nobody listens there: what is to be told stays in the table, where the oracle looks for it. */
export async function subscribe(api: Api): Promise<void> {
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

/** By the timetables of all jobs. */
async function slowDown(server: Installation, bytesPerSecond: number): Promise<void> {
  await server.query(`UPDATE timetables SET timetable = jsonb_set(timetable, '{rules,0,bytesPerSecond}', $1)`, [
    JSON.stringify(bytesPerSecond),
  ]);
}

class Soaking {
  readonly result: ServerSoak = {
    kills: { worker: 0, server: 0, database: 0, all: 0 },
    series: 0,
    runs: 0,
    takeovers: 0,
    restores: 0,
    told: 0,
    violations: [],
    remarks: [],
  };
  readonly #plan: ServerPlan;
  /** The last one is at work; what stands before it was lost. */
  readonly installations: Installation[];
  readonly #routes: readonly Route[];
  #deck: Victim[] = [];

  constructor(plan: ServerPlan, server: Installation, routes: readonly Route[]) {
    this.#plan = plan;
    this.installations = [server];
    this.#routes = routes;
  }

  get #server(): Installation {
    return this.installations.at(-1) as Installation;
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
      await this.#series(mode, this.#isTimeToLose());
    }
    if (this.result.restores === 0) await this.#series('merge', true);
    await this.#conclude();
  }

  /** Once, after half of the kills: the others fall on the new installation. */
  #isTimeToLose(): boolean {
    return this.result.restores === 0 && this.#kills * 2 >= this.#plan.kills;
  }

  async #series(mode: Mode, isLost: boolean): Promise<void> {
    await this.#prepare(mode);
    this.result.series += 1;
    if (isLost) await slowDown(this.#server, UNTIL_BACKED_UP);
    const starting = this.#startAll(mode);
    // Its failure is reported where it is awaited.
    starting.catch(() => undefined);
    const what = isLost ? await this.#lose(await starting) : await this.#disturb(starting);
    const runs = await this.#ended(await starting);
    await this.#server.ready();
    const problems = [...what.problems];
    for (const [i, run] of runs.entries()) {
      const route = this.#routes[i] as Route;
      for (const problem of await runProblems(this.#server, route, run)) problems.push(`${route.name}: ${problem}`);
    }
    const again = await this.#ended(await this.#startAll(mode));
    for (const [i, run] of again.entries()) {
      for (const problem of idleProblems(run)) problems.push(`${this.#routes[i]?.name}: ${problem}`);
    }
    problems.push(...(await quietProblems(this.#server)));
    this.#plan.say(`${mode}, ${what.words}: ${problems.length === 0 ? 'ok' : 'WRONG'}`);
    for (const problem of problems) this.#wrong(problem);
  }

  async #disturb(starting: Promise<readonly string[]>): Promise<Disturbance> {
    const { random, kills, killsPerSeriesMax } = this.#plan;
    const wanted = Math.min(1 + Math.ceil(random.fraction() * (killsPerSeriesMax - 1)), kills - this.#kills);
    const what = await this.#killSome(wanted, starting);
    return { words: `killed: ${what.join(', ')}`, problems: [] };
  }

  /**
   * A backup is made in mid-run. The work goes on for a while; then the machine is lost with all that was at work, and
   * the backup becomes another installation, which finds stores that are further than it knows, and ends what it finds.
   */
  async #lose(runIds: readonly string[]): Promise<Disturbance> {
    const { folder, program, random, workers, routes } = this.#plan;
    const other = this.#server;
    await this.#underWay();
    const before = await other.api.allRuns();
    const madeAtMs = systemClock.now();
    const backup = join(folder, 'backup');
    await other.command(['db', 'backup', backup]);
    await slowDown(other, routes.bytesPerSecond);
    await this.#gap();
    other.abandon();
    const lostAtMs = systemClock.now();
    // What they had sent when they died still comes to the store.
    await pause(LAST_REQUESTS_MS);
    // What was begun after the backup is journaled nowhere any more, and so is nobody's.
    for (const [i, { target }] of this.#routes.entries()) {
      const count = await target.adopt(journaledUploads(backup, runIds[i] ?? ''));
      if (count > 0)
        this.result.remarks.push(`${count} uploads begun after the backup stay open in the ${target.name}`);
    }
    const from = { backup, other };
    const restored = await Installation.start({ program, folder: join(folder, 'restored'), workers, random, from });
    this.installations.push(restored);
    await slowDown(restored, routes.bytesPerSecond);
    this.result.restores += 1;
    const runs = await restored.api.allRuns();
    const problems = restoredProblems(before, runs, madeAtMs);
    const unfinished = runs.filter(
      ({ id, endedAt }) => runIds.includes(id) && (endedAt === null || Date.parse(endedAt) > lostAtMs),
    );
    if (unfinished.length === 0) problems.push('no run was under way when the backup was made');
    return { words: `lost with ${unfinished.length} runs under way, and restored`, problems };
  }

  /** Until something has arrived somewhere. */
  async #underWay(): Promise<void> {
    for (;;) {
      for (const { target } of this.#routes) if ((await target.list()).length > 0) return;
      await pause(100);
    }
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

  async #conclude(): Promise<void> {
    const [sums] = await this.#server.query<{ takeovers: number; told: number }>(
      `SELECT (SELECT coalesce(sum(takeovers), 0)::integer FROM segments) AS takeovers,
         (SELECT count(*)::integer FROM deliveries) + (SELECT count(*)::integer FROM outbox) AS told`,
    );
    this.result.takeovers = sums?.takeovers ?? 0;
    this.result.told = sums?.told ?? 0;
    for (const problem of await this.#server.stop()) this.#wrong(problem);
    for (const { service, code, signal, said } of this.installations.flatMap(({ endings }) => endings)) {
      const words = `${service} ended by itself (${signal ?? code}): ${said.trim().split('\n').at(-1)}`;
      // A worker that cannot get to the database ends, and whoever watches it starts it again; a server waits.
      if (service === 'server' || code === 2) this.#wrong(words);
      else this.result.remarks.push(words);
    }
    for (const [words, count] of this.installations.flatMap(({ faults }) => [...faults])) {
      if (words.includes('"INTERNAL"')) this.#wrong(`an unexpected fault, ${count} times: ${words}`);
      else this.result.remarks.push(`${count} times: ${words}`);
    }
  }

  #wrong(violation: string): void {
    this.#plan.say(`    ${violation}`);
    this.result.violations.push(violation);
  }
}
