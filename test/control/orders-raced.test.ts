/**
 * Pause and cancel, given in every moment of a run: after each statement with which its worker changes runs or segments,
 * to the last one of its end. Whatever wins, states and sums are right and nothing is stuck.
 */
import { sql, type QueryId } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Run } from '../../src/control/entities.ts';
import { expectComplete, openFleetTest, type FleetTest } from './fleet-world.ts';
import { PERSON } from './made.ts';

const OBJECTS = 3;
const ENDED = ['succeeded', 'completed-with-issues', 'failed', 'cancelled'] as const;
/** So many moments there are at least: a run that is over sooner would mean that nothing is held. */
const MOMENTS_MIN = 8;

type Order = 'pause' | 'cancel';
/** `null`: carried out. */
type Refusal = string | null;

let fleet: FleetTest;
/** Called after each such statement, before the worker goes on. */
let onChange: ((text: string) => Promise<void>) | null = null;

beforeAll(async () => {
  fleet = await openFleetTest();
  const executor = fleet.world.db.getExecutor();
  const texts = new WeakMap<QueryId, string>();
  const db = fleet.world.db.withPlugin({
    transformQuery: ({ node, queryId }) => {
      const text = executor.compileQuery(node, queryId).sql.trim();
      if (/\b(update|insert into) "?(runs|segments)\b/i.test(text)) texts.set(queryId, text);
      return node;
    },
    transformResult: async ({ result, queryId }) => {
      const text = texts.get(queryId);
      if (text !== undefined) await onChange?.(text);
      return result;
    },
  });
  await fleet.worker('one', {}, { db });
});
afterAll(() => fleet[Symbol.asyncDispose]());

async function isBlocked(): Promise<boolean> {
  const { rows } = await sql`SELECT FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'`.execute(fleet.world.db);
  return rows.length > 0;
}

async function give(order: Order, id: string): Promise<Refusal> {
  return fleet.runs[order](PERSON, id).then(
    () => null,
    (error: { readonly code: string }) => error.code,
  );
}

/** Until it is answered, or waits for what the worker's transaction holds. */
async function answeredOrBlocked(answer: Promise<Refusal>): Promise<void> {
  let isAnswered = false;
  void answer.then(() => (isAnswered = true));
  await fleet.untilTrue('the order is answered, or waits', async () => isAnswered || (await isBlocked()));
}

/** Another run, and the order after this many changes. `null`: the run was over before. */
async function raced(order: Order, moment: number): Promise<{ run: Run; refusal: Refusal; text: string } | null> {
  const job = await fleet.job({ objects: OBJECTS });
  let seen = 0;
  let answer: Promise<Refusal> | null = null;
  let text = '';
  const { id } = await fleet.start(job);
  onChange = async (one) => {
    if (++seen !== moment) return;
    text = one;
    answer = give(order, id);
    await answeredOrBlocked(answer);
  };
  const first = await fleet.until(id, ...ENDED, 'paused');
  onChange = null;
  if (answer === null) return null;
  const refusal: Refusal = await answer;
  if (first.state === 'paused') await fleet.runs.resume(PERSON, id);
  const run = await fleet.until(id, ...ENDED);
  if (run.state === 'succeeded') await expectComplete(fleet, job, run);
  return { run, refusal, text };
}

async function expectRight(run: Run): Promise<void> {
  const { scanned, copied, same, excluded, skipped, unsupported, failed } = run.counters.items;
  expect(copied + same + excluded + skipped + unsupported + failed).toBe(scanned);
  expect([failed, unsupported, run.error, run.waits, run.live]).toEqual([0, 0, null, null, null]);
  expect(run.endedAt).not.toBeNull();
  expect(await fleet.items(run.id)).toHaveLength(scanned);
  expect(await fleet.store.intents(run.id)).toEqual([]);
  // Whoever was about to take one finds the run at its end, and lets go.
  await fleet.untilTrue('all leases are let go', async () => {
    const held = await sql`SELECT FROM segments WHERE run_id = ${run.id} AND lease_until IS NOT NULL`.execute(
      fleet.world.db,
    );
    return held.rows.length === 0;
  });
  const { rows } = await sql<{ last: string; told: number }>`SELECT jobs.last_state AS last,
      (SELECT count(*)::integer FROM outbox WHERE payload ->> 'runId' = runs.id) AS told
    FROM runs JOIN jobs ON jobs.id = runs.job_id WHERE runs.id = ${run.id}`.execute(fleet.world.db);
  const told = run.state === 'succeeded' ? 1 : 0;
  expect(rows).toEqual([{ last: run.state, told }]);
}

test.each(['cancel', 'pause'] as const)(
  '%s in any moment of a run ends in one of both, and nothing is stuck',
  async (order) => {
    const states = new Set<string>();
    let moments = 0;
    for (let moment = 1; ; moment++) {
      const end = await raced(order, moment);
      if (end === null) break;
      moments = moment;
      const { run, refusal, text } = end;
      const words = `after change ${moment} (${text.slice(0, 120)})`;
      expect([null, 'WRONG_STATE'], words).toContain(refusal);
      // What is being cancelled when there is nothing left to do ends as what it is.
      const wins = order === 'cancel' && refusal === null ? ['cancelled', 'succeeded'] : ['succeeded'];
      expect(wins, words).toContain(run.state);
      await expectRight(run);
      states.add(`${run.state} ${refusal}`);
    }
    expect(moments).toBeGreaterThan(MOMENTS_MIN);
    // Also in moments when it was too late.
    if (order === 'cancel') expect(states).toContain('cancelled null');
    expect(states).toContain('succeeded WRONG_STATE');
  },
);
