/** Several workers, one run: what they share, what they take over, and what they leave to each other. */
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { openFleet } from '../../src/control/fleet/service.ts';
import { expectComplete, openFleetTest, type FleetTest } from './fleet-world.ts';
import { PERSON } from './made.ts';

let fleet: FleetTest;
beforeEach(async () => {
  fleet = await openFleetTest();
});
afterEach(() => fleet[Symbol.asyncDispose]());

async function segmentRows(runId: string) {
  const { rows } = await sql<{
    worker_id: string;
    takeovers: number;
    lock_wait_ms: number;
    epoch: number;
    kind: string;
  }>`
    SELECT * FROM segments WHERE run_id = ${runId}`.execute(fleet.world.db);
  return rows;
}

describe('a run', () => {
  test('of one worker comes to its end, with counters, log and snapshot that agree', async () => {
    await fleet.worker('one');
    const job = await fleet.job({ objects: 40 });
    const queued = await fleet.start(job);
    expect(queued).toMatchObject({ state: 'queued', number: 1, kind: 'transfer', createdBy: PERSON.name });
    const run = await fleet.until(queued.id, 'succeeded');
    expect(run.counters.items).toMatchObject({ scanned: 40, copied: 40, failed: 0 });
    expect(run.manifestRoot).not.toBeNull();
    expect(run.live).toBeNull();
    await expectComplete(fleet, job, run);
    const again = await fleet.until((await fleet.start(job)).id, 'succeeded');
    expect(again).toMatchObject({ number: 2, counters: { items: { scanned: 40, same: 40 } } });
    expect(await fleet.told()).toContainEqual({ event: 'run.completed', runId: run.id });
  });

  test('is shared evenly by three workers, none of which waits for a lock of another', async () => {
    await Promise.all(['a', 'b', 'c'].map((name) => fleet.worker(name, { segmentsMax: 2 })));
    const job = await fleet.job({ objects: 2_400, slowMs: 60, heldFrom: 0 });
    const lockWaits: unknown[] = [];
    const watching = new AbortController();
    const watch = (async () => {
      while (!watching.signal.aborted) {
        // A renewal touches nothing but what its own worker holds: it and a commit may meet, of one worker. And at the
        // very beginning, once, all wait for whoever cuts the first pieces.
        const { rows } = await sql`SELECT waiting.query, blocking.query AS by
          FROM pg_stat_activity AS waiting, pg_stat_activity AS blocking
          WHERE waiting.wait_event_type = 'Lock' AND waiting.datname = current_database()
            AND blocking.pid = ANY(pg_blocking_pids(waiting.pid)) AND waiting.query LIKE '%segments%'
            AND waiting.query NOT LIKE '%first segments%' AND waiting.query NOT LIKE '%renewed AS%' AND blocking.query NOT LIKE '%renewed AS%'`.execute(
          fleet.world.db,
        );
        lockWaits.push(...rows);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    })();
    const { id } = await fleet.start(job);
    // Whoever comes late to something that is over soon has little of it, however it is shared.
    await fleet.untilTrue('each has a part', async () => {
      const holders = (await segmentRows(id)).filter(({ kind }) => kind === 'keys').map((row) => row.worker_id);
      return new Set(holders.filter((holder) => holder !== null)).size === 3;
    });
    job.release();
    const run = await fleet.until(id, 'succeeded');
    watching.abort();
    await watch;
    await expectComplete(fleet, job, run);
    const { rows } = await sql<{ worker_id: string; items: number }>`
      SELECT worker_id::text, sum((counters #>> '{items,scanned}')::integer)::integer AS items FROM segments
      WHERE run_id = ${run.id} AND kind = 'keys' GROUP BY worker_id`.execute(fleet.world.db);
    expect(rows).toHaveLength(3);
    expect(lockWaits).toEqual([]);
    await fleet.untilTrue('all have left', async () =>
      (await fleet.runs.workers(PERSON, run.id)).every(({ leftAt, state }) => leftAt !== null && state === 'left'),
    );
    // Whoever had nothing to do at the end notices a moment later that it has come.
    const shares = await vi.waitFor(
      async () => {
        const all = await fleet.runs.workers(PERSON, run.id);
        expect(all.every(({ leftAt }) => leftAt !== null)).toBe(true);
        return all;
      },
      { timeout: 60_000, interval: 50 },
    );
    expect(shares.map(({ id, items }) => [id, items]).toSorted()).toEqual(
      rows.map(({ worker_id, items }) => [worker_id, items]).toSorted(),
    );
    // Even: nobody has less than a third or more than twice the fair share, although all of it began as one segment.
    for (const { items } of shares) {
      expect(items).toBeGreaterThan(2_400 / 3 / 3);
      expect(items).toBeLessThan((2_400 / 3) * 2);
    }
    const claims = shares.reduce((sum, one) => sum + one.claims, 0);
    expect(claims).toBe((await segmentRows(run.id)).reduce((sum, { epoch }) => sum + epoch, 0));
    // Two had to wait for a first segment. Idle is what nobody had work for: the run is short and begins as one segment.
    expect(shares.reduce((sum, one) => sum + one.waits, 0)).toBeGreaterThanOrEqual(2);
    const idleMs = shares.reduce((sum, one) => sum + one.idleMs, 0);
    expect(idleMs).toBeGreaterThan(0);
    expect(idleMs).toBeLessThan(2 * run.durationMs);
    expect(shares.every(({ takeovers, leftAt }) => takeovers === 0 && leftAt !== null)).toBe(true);
    const nodes = await openFleet(fleet.world).list(PERSON);
    expect(nodes.map(({ id, claims: all, idleMs: idle }) => [id, all, idle]).toSorted()).toEqual(
      shares.map((one) => [one.id, one.claims, one.idleMs]).toSorted(),
    );
    const segments = await segmentRows(run.id);
    expect(segments.every(({ takeovers }) => takeovers === 0)).toBe(true);
  });

  test('goes on at another worker when one leaves, without losing what was settled', async () => {
    const job = await fleet.job({ objects: 2_000, slowMs: 25 });
    const first = await fleet.worker('first');
    const { id } = await fleet.start(job);
    await fleet.untilTrue('something was copied', async () => job.to.keys('box').length > 50);
    await fleet.worker('second');
    await first.drain();
    const run = await fleet.until(id, 'succeeded');
    await expectComplete(fleet, job, run);
    expect((await segmentRows(id)).every(({ takeovers }) => takeovers === 0)).toBe(true);
  });
});
