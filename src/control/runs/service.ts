/** Runs: started from a job, watched, ordered about. Workers and dispatchers move them on. */
import { sql } from 'kysely';
import { DroverError } from '../../model/errors.ts';
import type { Counters, RunState } from '../../model/outcome.ts';
import { makeAudit } from '../audit.ts';
import type { Actor, ListQuery, Run, NewRunLogLine, RunLogLine, RunSegment, RunSnapshot } from '../entities.ts';
import { FILTERS } from '../filters.ts';
import { filtersOf, listPage, narrow } from '../paging.ts';
import { isoOf } from '../rows.ts';
import { demand } from '../people/roles.ts';
import type { Jobs, Runs } from '../services.ts';
import type { Audit, ControlWorld } from '../world.ts';
import { inDatabase } from './database-errors.ts';
import { cutsOf } from './expectation.ts';
import { mapOf } from './map.ts';
import { carryOutOrder, stillHolds, type Order } from './orders.ts';
import { removeRun } from './removal.ts';
import { RUN_LISTING, runOf, runRow, runRows } from './rows.ts';
import { refuseUnready } from '../jobs/not-ready.ts';
import { insertRun, pairOf } from './start.ts';
import { ACTIVE_STATES } from './states.ts';
import { IS_HELD, keyOrNull } from './store-rows.ts';
import { listRunWorkers } from './store-workers.ts';

export interface RunsParts {
  readonly preflight: Jobs['preflight'];
  /** Writes a line of the run's log. */
  readonly append: (runId: string, line: NewRunLogLine) => Promise<void>;
}

const MAP_CELLS_MAX = 2_000;

export function openRuns(world: ControlWorld, parts: RunsParts): Runs {
  const { db } = world;
  const audit = makeAudit(world.clock);
  const order = (what: Order) => (actor: Actor, id: string) => ordered(world, parts, audit, actor, what, id);
  return {
    async list(actor, query) {
      demand(actor, 'read');
      const page = await inDatabase(() =>
        listPage(db, runRows(db), { ...RUN_LISTING, counted: db.selectFrom('runs'), query }),
      );
      return { ...page, items: page.items.map(runOf) };
    },
    async get(actor, id) {
      demand(actor, 'read');
      return inDatabase(async () => runOf(await runRow(db, id)));
    },
    async snapshot(actor, id) {
      demand(actor, 'read');
      await inDatabase(() => runRow(db, id));
      const row = await db.selectFrom('runs').select('snapshot').where('id', '=', id).executeTakeFirstOrThrow();
      return JSON.parse(row.snapshot) as RunSnapshot;
    },
    async segments(actor, id, query) {
      demand(actor, 'read');
      await inDatabase(() => runRow(db, id));
      return segmentsPage(world, id, query);
    },
    async workers(actor, id) {
      demand(actor, 'read');
      await inDatabase(() => runRow(db, id));
      return inDatabase(() => listRunWorkers(db, id));
    },
    async map(actor, id, cells) {
      demand(actor, 'read');
      if (!Number.isInteger(cells) || cells < 1 || cells > MAP_CELLS_MAX) {
        throw new DroverError('INVALID_INPUT', `Give a whole number from 1 to ${MAP_CELLS_MAX}.`, { field: 'cells' });
      }
      return inDatabase(() => mapOf(world, id, cells));
    },
    start: (actor, jobId, input, signal) => started(world, parts, audit, actor, jobId, input, signal),
    pause: order('pause'),
    resume: order('resume'),
    cancel: order('cancel'),
    remove: (actor, id, how) => inDatabase(() => removeRun(world, audit, actor, id, how)),
    bulk: (actor, action, selection) => bulk(world, parts, audit, actor, action, selection),
    async active() {
      const rows = await inDatabase(() =>
        db
          .selectFrom('runs')
          .select(['id', 'state'])
          .where('state', 'in', [...ACTIVE_STATES])
          .orderBy('queued_at')
          .execute(),
      );
      return rows.map(({ id, state }) => ({ id, state: state as RunState }));
    },
  };
}

async function started(
  world: ControlWorld,
  parts: RunsParts,
  audit: Audit,
  actor: Actor,
  jobId: string,
  input: Parameters<Runs['start']>[2],
  signal: AbortSignal,
): Promise<Run> {
  demand(actor, 'run');
  const placesOnly = input.skipPreflight === true;
  const preflight = await parts.preflight(actor, jobId, { count: false, kind: input.kind, placesOnly }, signal);
  refuseUnready(preflight);
  // Whoever wanted it has given up meanwhile, and may have begun something else.
  if (signal.aborted) throw new DroverError('CANCELLED', 'The run is not started: nobody waits for it any more.');
  return inDatabase(async () => {
    // Before the transaction: the artifacts may be far away.
    const cuts = await cutsOf(world, await pairOf(world, jobId));
    const id = await world.db
      .transaction()
      .execute((tx) =>
        insertRun(world, audit, tx, actor, jobId, input, { cuts, told: placesOnly ? null : preflight.concessions }),
      );
    await note(world, parts, id, `Started by ${actor.name}.`, 'STARTED');
    const { warnings } = preflight;
    for (const warning of warnings) await note(world, parts, id, warning, 'WARNED', 'warn');
    return { ...runOf(await runRow(world.db, id)), warnings };
  });
}

async function ordered(
  world: ControlWorld,
  parts: RunsParts,
  audit: Audit,
  actor: Actor,
  order: Order,
  id: string,
): Promise<Run> {
  demand(actor, 'run');
  return inDatabase(async () => {
    const has = await carryOutOrder(world, audit, actor, order, id);
    const warnings = has ? await tellOrder(world, parts, order, id, `${SAID[order]} by ${actor.name}.`) : [];
    return { ...runOf(await runRow(world.db, id)), ...(warnings.length === 0 ? {} : { warnings }) };
  });
}

/** In the run's log; with what stands against it, which is returned. */
async function tellOrder(
  world: ControlWorld,
  parts: RunsParts,
  order: Order,
  id: string,
  words: string,
): Promise<readonly string[]> {
  await note(world, parts, id, words, ORDERED[order]);
  const warnings = order === 'resume' ? await stillHolds(world, id) : [];
  for (const warning of warnings) await note(world, parts, id, warning, 'WARNED', 'warn');
  return warnings;
}

const SAID: Readonly<Record<Order, string>> = { pause: 'Paused', resume: 'Resumed', cancel: 'Canceled' };
const ORDERED = { pause: 'PAUSED', resume: 'RESUMED', cancel: 'CANCELLED' } as const;

/** What matches, as the list counts it. Runs that have ended, or end meanwhile, are left as they are. */
async function bulk(
  world: ControlWorld,
  parts: RunsParts,
  audit: Audit,
  actor: Actor,
  order: Order,
  { filter, search, except, expectedCount }: Parameters<Runs['bulk']>[2],
): Promise<{ changed: number }> {
  demand(actor, 'run');
  const base = narrow(runRows(world.db), { ...RUN_LISTING, query: { filter, search } });
  const all = await inDatabase(() => base.clearSelect().select(['runs.id', 'runs.ended_at']).execute());
  const left = new Set(except);
  const chosen = (all as { id: string; ended_at: Date | null }[]).filter(({ id }) => !left.has(id));
  if (chosen.length !== expectedCount) {
    throw new DroverError('COUNT_CHANGED', `These are ${chosen.length} runs by now, not ${expectedCount}.`);
  }
  let changed = 0;
  for (const { id, ended_at: endedAt } of chosen) {
    if (endedAt !== null) continue;
    try {
      if (!(await inDatabase(() => carryOutOrder(world, audit, actor, order, id)))) continue;
      changed += 1;
      await inDatabase(() => tellOrder(world, parts, order, id, `${SAID[order]} by ${actor.name}, with others.`));
    } catch (error) {
      if (!(error instanceof DroverError && error.code === 'WRONG_STATE')) throw error;
    }
  }
  return { changed };
}

async function note(
  world: ControlWorld,
  parts: RunsParts,
  runId: string,
  message: string,
  code: string,
  level: RunLogLine['level'] = 'info',
): Promise<void> {
  try {
    await parts.append(runId, { level, code, message });
  } catch (error) {
    world.log('warn', 'A line of the run log could not be written.', { run: runId, error: String(error) });
  }
}

async function segmentsPage({ db }: ControlWorld, runId: string, query: ListQuery) {
  const base = db
    .selectFrom('segments')
    .innerJoin('runs', 'runs.id', 'segments.run_id')
    .leftJoin('workers', 'workers.id', 'segments.worker_id')
    .where('segments.run_id', '=', runId)
    .where('segments.kind', '<>', 'sweep')
    .select([
      'segments.segment_id',
      'segments.kind',
      'segments.from_key',
      'segments.to_key',
      'segments.epoch',
      'segments.counters',
      'workers.name as worker_name',
      'runs.sequence',
      sql<Date>`statement_timestamp()`.as('as_of'),
      sql<string>`CASE WHEN segments.state = 'done' THEN 'done'
        WHEN ${IS_HELD} THEN 'held' ELSE 'open' END`.as('state_now'),
    ]);
  const page = await inDatabase(() =>
    listPage(db, base, {
      query,
      sorts: {
        key: { sql: `coalesce(encode(segments.from_key, 'hex'), '')`, type: 'text' },
        epoch: { sql: 'segments.epoch', type: 'integer' },
      },
      defaultSort: 'key',
      id: { sql: 'segments.segment_id', type: 'text' },
      ...filtersOf(FILTERS.segments, {
        kind: (values) => sql<boolean>`segments.kind = ANY(${values as string[]}::text[])`,
        state: (values) => sql<boolean>`(CASE WHEN segments.state = 'done' THEN 'done'
          WHEN ${IS_HELD} THEN 'held' ELSE 'open' END) = ANY(${values as string[]}::text[])`,
      }),
      searched: null,
      idOf: (row) => row.segment_id,
    }),
  );
  return {
    ...page,
    items: page.items.map((row): RunSegment => ({
      segmentId: row.segment_id,
      kind: row.kind,
      // Of later phases the bounds are places in an order of their own, no keys.
      from: row.kind === 'keys' ? keyOrNull(row.from_key) : null,
      to: row.kind === 'keys' ? keyOrNull(row.to_key) : null,
      state: row.state_now as RunSegment['state'],
      epoch: row.epoch,
      worker: row.worker_name,
      counters: row.counters as Counters,
      sequence: Number(row.sequence),
      asOf: isoOf(row.as_of),
    })),
  };
}
