import { beforeEach, describe, expect, test } from 'vitest';
import { systemClock, systemRandom } from '../lib/system.ts';
import { seededRandom } from '../lib/fake-world.ts';
import { DroverError } from '../model/errors.ts';
import type { ItemRecord } from '../model/outcome.ts';
import type { SnapshotRow } from '../model/snapshot.ts';
import { createMemoryProvider, MemoryStore } from '../providers/memory/provider.ts';
import type { ArtifactStore } from './ports.ts';
import { packLines } from './lines.ts';
import type { SnapshotIndex } from './snapshot.ts';
import { chooseFromSnapshot, Drawing, spotCheck, type SpotCheckCandidate, type SpotCheckEnds } from './spot-check.ts';

const NEVER = new AbortController().signal;
const from = new MemoryStore();
const to = new MemoryStore();
let ends: SpotCheckEnds;

async function openSource(store: MemoryStore): Promise<SpotCheckEnds['source']> {
  const context = {
    openTransport: () => {
      throw new Error('no network');
    },
    clock: systemClock,
    random: systemRandom,
    log: () => undefined,
    environment: {},
    saveAccount: async () => undefined,
  };
  const account = await createMemoryProvider(store).open({}, context);
  return account.source({ container: 'box', prefix: '' }, { versions: 'current' }, NEVER);
}

beforeEach(async () => {
  for (const store of [from, to]) {
    store.ensure('box');
    store.hooks.before = null;
    for (const key of store.keys('box')) store.remove('box', key);
  }
  ends = { source: await openSource(from), target: await openSource(to) };
});

async function candidate(key: string): Promise<SpotCheckCandidate> {
  const entry = await ends.source.stat(key, NEVER);
  if (entry === null) throw new Error(`no ${key}`);
  const { identity, sizeBytes, modifiedAtMs } = entry;
  return { key, targetKey: key, sizeBytes, state: { ...identity, sizeBytes, modifiedAtMs } };
}

async function check(one: SpotCheckCandidate, seenAtMs = Number.MAX_SAFE_INTEGER, more: object = {}) {
  for await (const row of spotCheck([one], ends, { seenAtMs, signal: NEVER, random: systemRandom, ...more }))
    return row;
  throw new Error('nothing was said');
}

describe('one object', () => {
  test.each<[string, () => void, string, string | null]>([
    ['equal', () => undefined, 'equal', null],
    ['other bytes of the same size', () => to.put('box', 'k', 'CONTENT'), 'different', 'The bytes differ.'],
    ['another size', () => to.put('box', 'k', 'more content'), 'different', '7 bytes at the source, 12 at the target.'],
    ['gone at the target', () => to.remove('box', 'k'), 'missing', 'It is not at the target.'],
    ['gone at the source', () => from.remove('box', 'k'), 'changed', 'It is no longer at the source.'],
    ['written to since', () => from.put('box', 'k', 'CONTENT'), 'changed', 'The source was written to since the run.'],
    [
      'not readable',
      () => {
        to.hooks.before = (operation) => {
          if (operation === 'GET') throw new DroverError('PERMISSION_DENIED', 'Not for you.');
        };
      },
      'unreadable',
      'Not for you.',
    ],
  ])('%s', async (_what, change, result, details) => {
    from.put('box', 'k', 'content');
    to.put('box', 'k', 'content');
    const one = await candidate('k');
    change();
    expect(await check(one)).toMatchObject({ key: 'k', result, details });
  });

  test('whose state was not kept has changed if it is younger than the look at it', async () => {
    from.put('box', 'k', 'content');
    to.put('box', 'k', 'content');
    const one = { ...(await candidate('k')), state: null };
    expect((await check(one)).result).toBe('equal');
    expect((await check(one, 0)).result).toBe('changed');
  });

  test('that is very large is compared in pieces at random places, and says how much of it was', async () => {
    const content = Buffer.alloc(1_000, 'x');
    from.put('box', 'k', content);
    to.put('box', 'k', content);
    const large = { wholeBytesMax: 100 };
    const reads = from.requests.GET ?? 0;
    // Pieces of a stretch are as long as the stretch where that is short: then all but the last bytes are read.
    expect(await check(await candidate('k'), undefined, large)).toMatchObject({ result: 'equal', comparedBytes: 992 });
    expect((from.requests.GET ?? 0) - reads).toBe(16);
    expect(await check(await candidate('k'))).toMatchObject({ result: 'equal', comparedBytes: 1_000 });
    for (const at of [0, 500, 990]) {
      const other = Buffer.from(content);
      other[at] = 0;
      to.put('box', 'k', other);
      expect(await check(await candidate('k'), undefined, large)).toMatchObject({ result: 'different' });
    }
  });

  test('that is very large is read in other places each time', async () => {
    const size = 16 * 5 * 1024 * 1024;
    from.put('box', 'k', Buffer.alloc(size));
    to.put('box', 'k', Buffer.alloc(size));
    const offsets = new Set<number>();
    const { source } = ends;
    const read: typeof source.read = (entry, range, signal) => {
      offsets.add(range.offset);
      expect(range.offset + range.lengthBytes).toBeLessThanOrEqual(size);
      expect(range.lengthBytes).toBe(4 * 1024 * 1024);
      return source.read(entry, range, signal);
    };
    ends = { ...ends, source: { ...source, stat: source.stat.bind(source), read } as typeof source };
    for (let round = 0; round < 2; round++) {
      const row = await check(await candidate('k'), undefined, { wholeBytesMax: 100 });
      expect(row).toMatchObject({ result: 'equal', comparedBytes: 16 * 4 * 1024 * 1024 });
    }
    expect(offsets.size).toBeGreaterThan(24);
  });

  test('of which less comes than it is long does not count as equal', async () => {
    for (const store of [from, to]) {
      store.put('box', 'k', 'content');
      store.hooks.reading = (_key, bytes) => bytes.subarray(1);
    }
    expect(await check(await candidate('k'))).toMatchObject({ result: 'unreadable' });
    for (const store of [from, to]) store.hooks.reading = (_key, bytes) => bytes;
  });

  test('ends with the signal, not with a row', async () => {
    from.put('box', 'k', 'content');
    const stopped = AbortSignal.abort();
    const rows = spotCheck([await candidate('k')], ends, { seenAtMs: 0, signal: stopped, random: systemRandom });
    await expect(rows.next()).rejects.toMatchObject({ code: 'CANCELLED' });
  });
});

describe('choosing', () => {
  const record = (at: number, change: Partial<ItemRecord> = {}): ItemRecord => ({
    key: `k${at}`,
    result: 'same',
    kind: 'object',
    sizeBytes: 1,
    code: 'same-digest',
    ...change,
  });

  test('from a log takes each as often as any other, and holds no more than it wants', () => {
    const random = seededRandom(7);
    const hits = new Map<string, number>();
    for (let round = 0; round < 2_000; round++) {
      const drawing = new Drawing({ objects: 5, random });
      for (let at = 0; at < 20; at++) drawing.offer(record(at));
      expect(drawing.choice).toMatchObject({ candidates: { length: 5 }, whyFewer: null });
      for (const { key } of drawing.choice.candidates) hits.set(key, (hits.get(key) ?? 0) + 1);
    }
    expect(hits.size).toBe(20);
    for (const count of hits.values()) expect(Math.abs(count - 500)).toBeLessThan(120);
  });

  test('passes over folders, what failed, and what a provider rewrote, and says so where it is not enough', () => {
    const drawing = new Drawing({ objects: 5, random: seededRandom(1) });
    drawing.offer(record(1, { kind: 'folder' }));
    drawing.offer(record(2, { key: 'a/' }));
    drawing.offer(record(4, { result: 'failed' }));
    drawing.offer(record(5, { verification: 'VM' }));
    drawing.offer(record(6, { targetKey: 'other' }));
    expect(drawing.choice).toEqual({
      candidates: [{ key: 'k6', targetKey: 'other', sizeBytes: 1, state: null }],
      whyFewer:
        'there is 1 object that can be read back, beside 2 folders, 1 that are not the same at the target, 1 rewritten by the provider',
    });
  });

  test('from a snapshot reads only chunks that hold a chosen row, and each object once', async () => {
    const chunks = new Map<string, Uint8Array>();
    const mark = { etag: 'e', versionId: null, sizeBytes: 1, modifiedAtMs: 0 };
    const segments = [0, 1].map((segment) => ({
      kind: 'keys' as const,
      root: '',
      chunks: Array.from({ length: 50 }, (_, chunk) => {
        const name = `c${segment}-${chunk}`;
        const rows: SnapshotRow[] = Array.from({ length: 10 }, (_row, at) => ({
          key: `${name}-${at}`,
          source: mark,
          target: mark,
          verification: 'V2',
          ...(at === 9 ? { carried: true as const } : {}),
        }));
        chunks.set(name, packLines(rows.map((row) => JSON.stringify(row))));
        return { name, first: '', last: '', rowCount: 10 };
      }),
    }));
    const index: SnapshotIndex = { runId: 'r', root: '', segments };
    const read: string[] = [];
    const artifacts = {
      get: async (name: string) => (read.push(name), chunks.get(name) ?? null),
    } as unknown as ArtifactStore;
    const options = { objects: 4, random: seededRandom(3) };
    const { candidates: chosen, whyFewer } = await chooseFromSnapshot(index, artifacts, options);
    expect(new Set(chosen.map(({ key }) => key)).size).toBe(4);
    expect(whyFewer).toBeNull();
    expect(read.length).toBeLessThanOrEqual(12);
    const all = await chooseFromSnapshot(index, artifacts, { ...options, objects: 2_000 });
    expect(all.candidates).toHaveLength(900);
    expect(all.candidates[0]?.state).toEqual(mark);
    expect(all.whyFewer).toBe('there are 900 objects that can be read back, beside 100 left by this run as they were');
    // Also where hardly any can be read back, as many are chosen as there are.
    const few = await chooseFromSnapshot(mostlyCarried(5), { get: async () => carriedRows(5) } as never, {
      objects: 5,
      random: seededRandom(3),
    });
    expect(few).toMatchObject({ candidates: { length: 5 }, whyFewer: null });
  });
});

/** A thousand rows, of which only so many are of this run. */
function mostlyCarried(fresh: number): SnapshotIndex {
  const chunks = [{ name: 'one', first: '', last: '', rowCount: 1_000 }];
  return { runId: `r${fresh}`, root: '', segments: [{ kind: 'keys', root: '', chunks }] };
}

function carriedRows(fresh: number): Uint8Array {
  const mark = { etag: 'e', versionId: null, sizeBytes: 1, modifiedAtMs: 0 };
  const rows = Array.from({ length: 1_000 }, (_, at) => ({
    key: `k${at}`,
    source: mark,
    target: mark,
    verification: 'V2',
    ...(at % (1_000 / fresh) === 7 ? {} : { carried: true }),
  }));
  return packLines(rows.map((row) => JSON.stringify(row)));
}
