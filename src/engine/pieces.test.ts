/** How later phases are cut: alike for every worker, nothing twice, nothing left out. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Entry } from '../model/entry.ts';
import { compareKeys } from '../model/key.ts';
import { ZERO_COUNTERS } from '../model/outcome.ts';
import { DEFAULT_POLICY, type Policy } from '../model/policy.ts';
import type { ExtraRow, Stage } from './chunks.ts';
import { folderUnits } from './deletes.ts';
import type { Unit } from './later.ts';
import { CHUNK_BYTES_MAX, MIB, PIECE_BYTES_MAX, PIECES_MAX } from './limits.ts';
import { readChunks } from './lines.ts';
import { nextSegments } from './phase-order.ts';
import { chunksOfPiece, UnitWriter } from './pieces.ts';
import type { ArtifactStore, Lease, NewSegment, SegmentKind, SegmentRecord } from './ports.ts';
import { inKeyOrder } from './snapshot.ts';

function done(segment: NewSegment, chunks: readonly string[] = [], change: Partial<SegmentRecord> = {}): SegmentRecord {
  const state = { runId: 'run', state: 'done', epoch: 1, checkpoint: null, counters: ZERO_COUNTERS } as const;
  return { ...segment, ...state, chunks, ...change };
}

function first(kind: SegmentKind): NewSegment {
  return { segmentId: kind, kind, from: null, to: null };
}

function chunks(stage: Stage, count: number): string[] {
  return Array.from({ length: count }, (_, at) => `runs/run/x/1/${String(at).padStart(8, '0')}.${stage}.ndjson.gz`);
}

const MIRROR: Policy = { ...DEFAULT_POLICY, mode: 'mirror', deleteMax: 10, deleteShareMax: null };
const KEYS: NewSegment = { segmentId: 's0', kind: 'keys', from: null, to: null };

function extras(extra: number, failed = 0): Partial<SegmentRecord> {
  const items = { ...ZERO_COUNTERS.items, scanned: 5, failed };
  return { counters: { ...ZERO_COUNTERS, items, differences: { ...ZERO_COUNTERS.differences, extra } } };
}

describe('which segments come next', () => {
  const later = 'runs/run/s0/1/00000000.later.ndjson.gz';

  test('none but the last, where nothing was put off', () => {
    const keys = done(KEYS, ['runs/run/s0/1/00000000.log.ndjson.gz']);
    expect(nextSegments([keys], DEFAULT_POLICY)).toEqual([first('settle')]);
    expect(nextSegments([keys, done(first('settle'))], DEFAULT_POLICY)).toEqual([]);
  });

  test('a phase that is little has one, and is followed by the next phase', () => {
    const before = [done(KEYS, [later])];
    expect(nextSegments(before, DEFAULT_POLICY)).toEqual([first('mapped')]);
    const mapped = [...before, done(first('mapped'), ['runs/run/mapped/1/00000000.log.ndjson.gz'])];
    expect(nextSegments(mapped, DEFAULT_POLICY)).toEqual([first('restores')]);
    expect(nextSegments([...mapped, done(first('restores'))], DEFAULT_POLICY)).toEqual([first('settle')]);
  });

  test('stage after stage, the last of them uncut', () => {
    const all = [...chunks('work1', 3), ...chunks('work2', 2), ...chunks('work3', 4)];
    const segments = [done(KEYS, [], extras(9)), done(first('deletes'), all)];
    const seen: string[] = [];
    for (;;) {
      const next = nextSegments(segments, MIRROR);
      if (next[0]?.kind !== 'deletes') break;
      seen.push(next.map(({ segmentId }) => segmentId).join(' '));
      segments.push(...next.map((one) => done(one)));
    }
    expect(seen).toEqual([
      'deletes-work1-0 deletes-work1-1 deletes-work1-2',
      'deletes-work2-0 deletes-work2-1',
      'deletes-work3-0',
    ]);
    const taken = segments.flatMap((one) => chunksOfPiece(one, segments) ?? []);
    expect(taken.toSorted()).toEqual(all.toSorted());
    expect(new Set(taken).size).toBe(all.length);
  });

  test.each([
    ['more than may go', 11, 0],
    ['something failed to arrive', 5, 1],
  ])('no deletion where %s', (_why, extra, failed) => {
    expect(nextSegments([done(KEYS, [], extras(extra, failed))], MIRROR)).toEqual([first('settle')]);
  });

  test('however many chunks there are, each is in one piece, and the pieces are in order', () => {
    fc.assert(
      fc.property(fc.oneof(fc.integer({ min: 1, max: 600 }), fc.integer({ min: 1, max: 3_000 })), (count) => {
        const names = chunks('work1', count);
        const segments = [done(KEYS, [later]), done(first('mapped'), names)];
        const pieces = nextSegments(segments, DEFAULT_POLICY);
        expect(pieces.length).toBeLessThanOrEqual(PIECES_MAX);
        expect(pieces.length).toBeGreaterThanOrEqual(Math.min(count, PIECES_MAX / 2));
        const all = [...segments, ...pieces.map((piece) => done(piece))].toReversed();
        expect(inKeyOrder(all).flatMap((one) => chunksOfPiece(one, all) ?? [])).toEqual(names);
      }),
      { numRuns: 30 },
    );
  });
});

function artifacts(): ArtifactStore {
  const kept = new Map<string, Uint8Array>();
  return {
    put: async (name, content) => void kept.set(name, content),
    get: async (name) => kept.get(name) ?? null,
    list: async () => [...kept.keys()],
    removeAll: async () => undefined,
  };
}

const lease: Lease = { segment: done(first('mapped')), worker: 'w', epoch: 3 };

test('a chunk of units is full by their number, their content, or their text', async () => {
  const countOf = async (units: readonly Omit<Unit, 'stage'>[]): Promise<number> => {
    const writer = new UnitWriter(artifacts(), lease, 10);
    for (const unit of units) await writer.add({ ...unit, stage: 'work1' });
    return (await writer.end()).length;
  };
  const unit = { sizeBytes: 1, line: '1' };
  expect(await countOf([])).toBe(0);
  expect(await countOf(Array.from({ length: 10 }, () => unit))).toBe(1);
  expect(await countOf(Array.from({ length: 31 }, () => unit))).toBe(4);
  expect(await countOf(Array.from({ length: 4 }, () => ({ ...unit, sizeBytes: PIECE_BYTES_MAX })))).toBe(4);
  expect(await countOf(Array.from({ length: 4 }, () => ({ ...unit, sizeBytes: MIB })))).toBe(1);
  expect(await countOf(Array.from({ length: 4 }, () => ({ ...unit, line: 'x'.repeat(CHUNK_BYTES_MAX) })))).toBe(4);
});

/** Folder names of a few letters, so that many of them hold others. */
const folder = fc
  .array(fc.constantFrom('a', 'b', 'a-', 'ü', '\u{1f600}'), { minLength: 1, maxLength: 5 })
  .map((names) => `${names.join('/')}/`);

test('folders go from the inside out, in whatever order their pieces are done', async () => {
  let waited = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(folder, { maxLength: 60 }),
      fc.integer({ min: 1, max: 6 }),
      fc.infiniteStream(fc.nat()),
      async (keys, perPiece, chances) => {
        const sorted = keys.toSorted((a, b) => compareKeys(b, a));
        async function* rows(): AsyncGenerator<ExtraRow> {
          for (const key of sorted) yield { entry: { key, kind: 'folder' } as Entry };
        }
        const store = artifacts();
        const writer = new UnitWriter(store, lease, 1);
        for await (const unit of folderUnits(rows(), perPiece)) await writer.add(unit);
        const segments = [done(first('mapped'), await writer.end())];
        const left = new Set(keys);
        for (;;) {
          const next = nextSegments([done(KEYS, ['x.later.ndjson.gz']), ...segments], DEFAULT_POLICY);
          if (next[0]?.kind !== 'mapped') break;
          const pieces: string[][] = [];
          for (const piece of next) {
            const lines: string[] = [];
            for await (const line of readChunks(store, chunksOfPiece(done(piece), segments) ?? [])) lines.push(line);
            pieces.push(lines);
          }
          if (next[0].segmentId.includes('work3')) waited += pieces.flat().length;
          for (;;) {
            const busy = pieces.filter((lines) => lines.length > 0);
            const chosen = busy[(chances.next().value as number) % Math.max(1, busy.length)];
            if (chosen === undefined) break;
            const { key } = (JSON.parse(chosen.shift() as string) as ExtraRow).entry;
            expect([...left].filter((one) => one !== key && one.startsWith(key))).toEqual([]);
            left.delete(key);
          }
          segments.push(...next.map((one) => done(one)));
        }
        expect([...left]).toEqual([]);
      },
    ),
    { numRuns: 300 },
  );
  // Otherwise it was not about anything.
  expect(waited).toBeGreaterThan(20);
});
