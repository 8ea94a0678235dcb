/**
 * Makes the reports that are pending, one at a time. Whoever makes one holds its row; a server that died leaves it to
 * another. Tries are counted in the row before they begin, so that a report that ends its server is given up in the end.
 */
import { createHash } from 'node:crypto';
import { sql } from 'kysely';
import type { RunStore } from '../../engine/ports.ts';
import { NO_TRACING, traced } from '../../lib/tracing.ts';
import { sealedJson, sealedPage } from '../../lib/report-seal.ts';
import { DroverError, toDroverError, toFailure } from '../../model/errors.ts';
import { SYSTEM, type Actor, type Artifact, type Run, type RunSnapshot } from '../entities.ts';
import type { ControlWorld, OpenConnector, Tx } from '../world.ts';
import { toHtml } from './html.ts';
import { makeReport } from './report.ts';
import { sealReport } from './signing.ts';
import { keepVerdict, verdictOf } from './verdict.ts';

/** A server that makes a report says so this often; one that fell silent loses it to another. */
const HOLD_MS = 60_000;
export const REPORT_ATTEMPTS_MAX = 5;
/** Before the second try; twice as long before each later one. */
const AGAIN_FIRST_S = 30;
export const SPOT_CHECK_DEFAULT = 100;

export interface MakingParts {
  readonly store: RunStore;
  readonly openConnector: OpenConnector;
  readonly runOf: (actor: Actor, runId: string) => Promise<Run>;
  readonly snapshotOf: (actor: Actor, runId: string) => Promise<RunSnapshot>;
}

export interface ReportParameters {
  readonly spotCheck?: number | undefined;
  readonly results?: readonly string[] | undefined;
}

/** Each try writes its own: a slow one never changes what a later one has finished. */
export function contentName(objectName: string, attempt: number): string {
  return `${objectName}.${attempt}`;
}

/** Returns how many were handled: 0 or 1. */
export async function makeNext(world: ControlWorld, parts: MakingParts, signal: AbortSignal): Promise<number> {
  const { db, artifacts, log } = world;
  const taken = await db.transaction().execute(takeNext);
  if (taken === null) return 0;
  const { id, kind } = taken;
  const attempt = taken.attempts + 1;
  if (attempt > REPORT_ATTEMPTS_MAX) {
    await finish(world, id, attempt, { state: 'failed', error: JSON.stringify(toFailure(endedItsServers())) });
    log('warn', 'A report was given up: whoever made it ended.', { artifactId: id, attempts: attempt - 1 });
    return 1;
  }
  const stopper = new AbortController();
  const holding = keepHolding(world, id, attempt, stopper.signal);
  try {
    const { spotCheck = SPOT_CHECK_DEFAULT } = taken.parameters as ReportParameters;
    const attributes = { 'drover.run.id': taken.run_id, 'drover.report.kind': kind, 'drover.report.attempt': attempt };
    const content = await traced(world.tracing ?? NO_TRACING, 'report', { attributes }, () =>
      makeOne(
        world,
        parts,
        taken.run_id,
        kind as Artifact['kind'],
        { objects: spotCheck, scratch: `${contentName(taken.object_name, attempt)}.compare` },
        signal,
      ),
    );
    await artifacts.put(contentName(taken.object_name, attempt), content);
    await finish(world, id, attempt, {
      state: 'ready',
      error: null,
      size_bytes: content.length,
      sha256: createHash('sha256').update(content).digest('hex'),
    });
  } catch (thrown) {
    if (signal.aborted) {
      await letGo(db, id, attempt).catch(() => undefined);
      return 0;
    }
    const error = toDroverError(thrown);
    const isOver = error.policy.retry === 'never' || attempt >= REPORT_ATTEMPTS_MAX;
    await finish(world, id, attempt, {
      state: isOver ? 'failed' : 'pending',
      error: JSON.stringify(toFailure(thrown)),
    });
    log('warn', 'A report could not be made.', { artifactId: id, code: error.code, attempts: attempt, isOver });
  } finally {
    stopper.abort();
    await holding;
  }
  return 1;
}

/** One that broke off or whose maker fell silent waits longer after each try. */
async function takeNext(tx: Tx) {
  const row = await tx
    .selectFrom('artifacts')
    .selectAll()
    .where('state', '=', 'pending')
    .where(
      sql<boolean>`(taken_until IS NULL
        OR taken_until + ${sql.lit(AGAIN_FIRST_S)} * 2 ^ greatest(attempts - 1, 0) * interval '1 second' < now())`,
    )
    .orderBy('created_at')
    .limit(1)
    .forUpdate()
    .skipLocked()
    .executeTakeFirst();
  if (row === undefined) return null;
  await sql`UPDATE artifacts SET attempts = attempts + 1 WHERE id = ${row.id}`.execute(tx);
  await hold(tx, row.id, row.attempts + 1);
  return row;
}

function endedItsServers(): DroverError {
  const words = `Each of ${REPORT_ATTEMPTS_MAX} servers that made this report ended while it did so.`;
  return new DroverError('INTERNAL', words, {
    remedy: 'Look at the log of the server (its memory may not suffice), then try again, or read back fewer objects.',
  });
}

async function makeOne(
  world: ControlWorld,
  { store, openConnector, runOf, snapshotOf }: MakingParts,
  runId: string,
  kind: Artifact['kind'],
  how: { readonly objects: number; readonly scratch: string },
  signal: AbortSignal,
): Promise<Uint8Array> {
  const run = await runOf(SYSTEM, runId);
  const snapshot = await snapshotOf(SYSTEM, runId);
  const report = await makeReport({ world, store, openConnector }, run, snapshot, how, signal);
  await keepVerdict(world.db, runId, verdictOf(report));
  const body = Buffer.from(JSON.stringify(report));
  const seal = await sealReport(world, body, report);
  if (kind !== 'report-html') return sealedJson(body, seal);
  const page = Buffer.from(toHtml(report, seal));
  return sealedPage(page, await sealReport(world, page, null));
}

async function keepHolding(
  { db, clock }: ControlWorld,
  id: string,
  attempt: number,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await clock.sleep(HOLD_MS / 3, signal).catch(() => undefined);
    if (!signal.aborted) await hold(db, id, attempt).catch(() => undefined);
  }
}

async function hold(db: Pick<ControlWorld['db'], 'updateTable'>, id: string, attempt: number): Promise<void> {
  await db
    .updateTable('artifacts')
    .set({ taken_until: sql<Date>`now() + ${HOLD_MS} * interval '1 millisecond'` })
    .where('id', '=', id)
    .where('state', '=', 'pending')
    .where('attempts', '=', attempt)
    .execute();
}

interface Finished {
  readonly state: Artifact['state'];
  readonly error: string | null;
  readonly size_bytes?: number;
  readonly sha256?: string;
}

/** Only by whoever made the last try: one that was slow and not dead changes nothing any more. */
async function finish({ db, bus }: ControlWorld, id: string, attempt: number, change: Finished): Promise<void> {
  await db
    .updateTable('artifacts')
    .set({ ...change, taken_until: change.state === 'pending' ? sql<Date>`now()` : null })
    .where('id', '=', id)
    .where('state', '=', 'pending')
    .where('attempts', '=', attempt)
    .execute();
  await bus.tell('artifact', id);
}

/** Told to stop, which is no try: another server takes it at once. */
async function letGo(db: ControlWorld['db'], id: string, attempt: number): Promise<void> {
  await sql`UPDATE artifacts SET taken_until = NULL, attempts = attempts - 1
    WHERE id = ${id} AND state = 'pending' AND attempts = ${attempt}`.execute(db);
}
