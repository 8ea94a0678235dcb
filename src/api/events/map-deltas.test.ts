/** Whoever applies what differs has the map that everybody has. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { MapCell, RunMap } from '../../control/entities.ts';
import { changedMap } from '../client/maps.ts';
import type { LiveEvent } from './event.ts';
import { MapDeltas } from './map-deltas.ts';

const cell = fc.record<MapCell>({
  from: fc.constantFrom(null, 'a', 'b'),
  to: fc.constantFrom(null, 'b', 'c'),
  share: fc.constantFrom(0.1, 0.5),
  isExact: fc.boolean(),
  state: fc.constantFrom('waiting', 'done'),
  items: fc.nat(3),
  failed: fc.constant(0),
  unsupported: fc.constant(0),
});

function whole({ runId, sequence, asOf, cells }: RunMap): LiveEvent {
  const indexed = cells.map((one, index) => ({ index, ...one }));
  return { type: 'map', kind: 'run-map', id: runId, sequence, asOf, base: null, count: cells.length, cells: indexed };
}

test('in any order of maps and losses, and with no cell sent that is known', () => {
  const step = fc.oneof(
    { weight: 5, arbitrary: fc.array(cell, { maxLength: 6 }) },
    { weight: 1, arbitrary: fc.constant('reset' as const) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
      const deltas = new MapDeltas();
      let mine: RunMap | null = null;
      for (const [at, now] of steps.entries()) {
        if (now === 'reset') {
          deltas.next({ type: 'reset', asOf: '' });
          mine = null;
          continue;
        }
        const map: RunMap = { runId: 'r', sequence: at + 1, asOf: String(at), cells: now };
        const sent = deltas.next(whole(map));
        if (sent === null) {
          expect((mine as RunMap | null)?.cells).toEqual(now);
          continue;
        }
        if (sent.type !== 'map') throw new Error('That is no map.');
        for (const { index, ...one } of sent.cells) {
          if (sent.base !== null) expect(one).not.toEqual((mine as RunMap | null)?.cells[index]);
        }
        mine = changedMap(mine, sent);
        expect(mine).toEqual(map);
      }
    }),
  );
});

test('what goes on from another map is not applied', () => {
  const map: RunMap = { runId: 'r', sequence: 3, asOf: '', cells: [] };
  const event = { type: 'map', kind: 'run-map', id: 'r', sequence: 9, asOf: '', base: 8, count: 0, cells: [] } as const;
  expect(changedMap(map, event)).toBeNull();
  expect(changedMap(null, event)).toBeNull();
  expect(changedMap(map, { ...event, base: 3 })).toEqual({ ...map, sequence: 9 });
});
