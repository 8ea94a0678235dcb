/** Many workers, one run: it is shared evenly, survives the loss of any of them, and ends once. */
import { describe, expect, test } from 'vitest';
import { mustBeExact, openFleet, type Fleet, type Worker } from './fleet.ts';

function seed(fleet: Fleet, count: number): void {
  for (let i = 0; i < count; i++) fleet.source.put('in', `img-${String(i).padStart(6, '0')}.jpg`, `content ${i}`);
}

function written(worker: Worker): number {
  return worker.tether.called['write'] ?? 0;
}

describe('three workers', () => {
  test('share 20,000 keys evenly, and one of them settles the run', async () => {
    await using fleet = await openFleet({ source: { pageSize: 1000 }, target: { pageSize: 1000 } });
    seed(fleet, 20_000);
    await fleet.queue();
    const workers = ['w1', 'w2', 'w3'].map((name) => fleet.join(name));
    const results = await fleet.ended(...workers);
    const run = await mustBeExact(fleet, results);
    expect(run.counters.items).toMatchObject({ copied: 20_000, same: 0 });
    expect(run.requests.target['write']).toBe(20_000);
    for (const worker of workers) expect(written(worker), worker.name).toBeGreaterThan(4_000);
    expect(fleet.artifacts.puts.filter((name) => name.endsWith('snapshot.json'))).toHaveLength(1);
    expect(fleet.leases.takeovers).toBe(0);
    for (const { interrupted, error, canContinue } of results) {
      expect({ interrupted, error, canContinue }).toEqual({ interrupted: false, error: null, canContinue: false });
    }
  });
});
