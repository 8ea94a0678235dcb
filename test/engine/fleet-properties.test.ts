/** Whatever happens to the workers of a run, as long as one is left in the end: nothing is lost, wrong or counted twice. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { mustBeExact, openFleet, type Fleet, type Worker } from './fleet.ts';

interface Fate {
  /** When it comes. */
  readonly joinsAtMs: number;
  readonly end: 'dies' | 'hangs' | 'is stopped';
  /** The call at which that happens. */
  readonly atCall: number;
  /** How long it hangs: shorter or longer than a lease. */
  readonly hangsMs: number;
}

const fate: fc.Arbitrary<Fate> = fc.record({
  joinsAtMs: fc.nat(1_500),
  end: fc.constantFrom('dies', 'hangs', 'dies', 'hangs', 'is stopped'),
  atCall: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 20, max: 400 })),
  hangsMs: fc.integer({ min: 1, max: 25_000 }),
});

const story = fc.record({
  seed: fc.nat(),
  mode: fc.constantFrom('merge', 'mirror'),
  count: fc.integer({ min: 0, max: 200 }),
  extras: fc.integer({ min: 0, max: 12 }),
  hasLarge: fc.nat(4).map((one) => one === 0),
  pageSize: fc.integer({ min: 3, max: 60 }),
  fates: fc.array(fate, { minLength: 1, maxLength: 3 }),
});

function befall(fleet: Fleet, worker: Worker, { end, atCall, hangsMs }: Fate): void {
  const { tether } = worker;
  if (end === 'dies') tether.diesAt = atCall;
  tether.onCall = () => {
    if (tether.calls !== atCall) return;
    if (end === 'is stopped') worker.stop();
    if (end !== 'hangs') return;
    tether.freeze();
    void fleet.clock.sleep(hangsMs).then(() => tether.thaw());
  };
}

test(
  'a run that one worker is left for ends exactly, whatever happened to the others',
  { timeout: 240_000 },
  async () => {
    let takeovers = 0;
    let refusals = 0;
    await fc.assert(
      fc.asyncProperty(story, async ({ seed, mode, count, extras, hasLarge, pageSize, fates }) => {
        const behaviour = { pageSize, ...(hasLarge ? { listedDigests: [] } : {}) };
        await using fleet = await openFleet({ seed, source: behaviour, target: behaviour });
        for (let i = 0; i < count; i++) fleet.source.put('in', `${'abc'[i % 3]}/k${i % 7}/${i}`, `content ${i}`);
        if (hasLarge) fleet.source.put('in', 'b/large', Buffer.alloc(17 * 1024 * 1024, 'x'));
        const isMirror = mode === 'mirror' && count > 0;
        if (isMirror) for (let i = 0; i < extras; i++) fleet.target.put('out', `${'abc'[i % 3]}/old-${i}`, 'old');
        await fleet.queue(isMirror ? { mode: 'mirror', deleteMax: null, deleteShareMax: null } : { mode: 'merge' });
        const workers: Worker[] = [];
        const arriving = fates.map(async (one, at) => {
          await fleet.clock.sleep(one.joinsAtMs);
          const worker = fleet.join(`w${at}`);
          befall(fleet, worker, one);
          workers.push(worker);
          await Promise.race([worker.done, fleet.clock.sleep(40_000)]);
        });
        const last = fleet.clock.sleep(500).then(() => fleet.join('last').done);
        const [result] = await fleet.clock.run(Promise.all([last, ...arriving]));
        const told = [result];
        for (const [at, worker] of workers.entries()) {
          const isHere = !worker.tether.isDead && fates[at] !== undefined;
          if (!isHere) continue;
          const own = await fleet.clock.run(worker.done);
          if (!own.interrupted) told.push(own);
          expect(own.error).toBeNull();
        }
        const run = await mustBeExact(fleet, told);
        expect(run.counters.items.deleted).toBe(isMirror ? extras : 0);
        takeovers += fleet.leases.takeovers;
        refusals += fleet.leases.refused.length;
      }),
      { numRuns: 30, seed: 20_260_101 },
    );
    // Otherwise it was not about anything.
    expect(takeovers).toBeGreaterThan(8);
    expect(refusals).toBeGreaterThan(1);
  },
);
