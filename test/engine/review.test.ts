/** What a hostile reader of the engine tried: each of these once lost, overwrote, deleted, leaked or miscounted something. */
import { describe, expect, test } from 'vitest';
import type { Page, ScanRange, Source } from '../../src/contract/provider.ts';
import { REQUEST_ATTEMPTS_MAX } from '../../src/engine/limits.ts';
import type { RunRecord } from '../../src/engine/ports.ts';
import { runTransfer } from '../../src/engine/run.ts';
import { defineTransfer } from '../../src/engine/transfer.ts';
import { verifyRun } from '../../src/engine/verify.ts';
import { DroverError } from '../../src/model/errors.ts';
import { isWithin } from '../../src/model/key.ts';
import { ALL_NAMES } from '../../src/model/names.ts';
import { HONEST_FACTS } from '../../src/providers/memory/provider.ts';
import { hastyClock, WITHOUT_DIGESTS } from '../cases/world.ts';
import { openBench, POLICY, sumsAgree, TUNING } from './bench.ts';

const place = { container: 'in', prefix: '' };
const MIB = 1024 * 1024;
const FILES = {
  ...ALL_NAMES,
  emptySegments: false,
  dotSegments: false,
  trailingSlashContent: false,
  objectAndPrefix: false,
};

describe('chunks that could not be written', () => {
  test('are not skipped by the checkpoint', async () => {
    await using bench = await openBench();
    for (let i = 0; i < 8; i++) bench.source.put('in', `k${i}`, `content ${i}`);
    const { artifacts } = bench.world;
    let puts = 0;
    const failing = {
      ...bench.world,
      artifacts: {
        put: async (name: string, content: Uint8Array) => {
          puts += 1;
          if (puts === 1) throw new DroverError('DISK_FULL', 'No room.');
          return artifacts.put(name, content);
        },
        get: (name: string) => artifacts.get(name),
        list: (prefix: string) => artifacts.list(prefix),
        removeAll: (prefix: string) => artifacts.removeAll(prefix),
      },
    };
    Object.assign(bench.world, { artifacts: failing.artifacts });
    const stopped = await bench.run();
    expect(stopped.run.state).toBe('paused');
    Object.assign(bench.world, { artifacts });
    const result = await bench.run({}, { continueRun: stopped.run });
    expect(result.error).toBeNull();
    expect(result.run.counters.items.scanned).toBe(8);
    expect(bench.content(bench.target)).toEqual(bench.content(bench.source));
    expect(await bench.log(result)).toHaveLength(8);
    sumsAgree(result, await bench.log(result));
  });
});

describe('versions', () => {
  test('an older one never ends up over the newest that was there already', async () => {
    await using bench = await openBench({ isVersioned: true });
    bench.target.put('out', 'a', 'new', { modifiedAtMs: Date.now() });
    bench.source.put('in', 'a', 'old');
    bench.source.put('in', 'a', 'new');
    const result = await bench.run({ versions: 'all' });
    expect(result.error).toBeNull();
    expect(bench.content(bench.target)).toEqual({ a: 'new' });
    const { target } = await bench.ends();
    const signal = new AbortController().signal;
    const verified = await verifyRun(result.run, target, bench.world, { signal, onProgress: null, onDifference: null });
    expect(verified).toMatchObject({ missing: 0, different: 0 });
  });
});

describe('what the last run knew', () => {
  for (const between of ['failed', 'excluded'] as const) {
    test(`outlives a run in which the item was ${between}`, async () => {
      await using bench = await openBench({ listedDigests: [] }, { listedDigests: [], recordsSource: false });
      bench.source.put('in', 'a', 'aaaa');
      bench.source.put('in', 'b', 'b');
      await bench.run();
      // Replaced by something of the same size that keeps an old time, as "cp -p" and "mv" do.
      bench.source.put('in', 'a', 'zzzz');
      if (between === 'failed') {
        bench.source.hooks.before = (operation, key) => {
          if (operation === 'GET' && key === 'a') throw new DroverError('PERMISSION_DENIED', 'Not now.');
        };
        const failed = await bench.run();
        expect(failed.run.counters.items).toMatchObject({ failed: 1, same: 1 });
        bench.source.hooks.before = null;
      } else {
        await bench.run({ filter: { ...POLICY.filter, exclude: ['a'] } });
      }
      await bench.run();
      expect(bench.content(bench.target)).toEqual({ a: 'zzzz', b: 'b' });
    });
  }
});

describe('mapped names', () => {
  test('of what a filter leaves out are protected from a mirror like all others', async () => {
    await using bench = await openBench({}, { names: FILES });
    bench.source.put('in', 'a//b', 'precious');
    bench.source.put('in', 'c', 'c');
    await bench.run({ mode: 'mirror' });
    expect(Object.keys(bench.content(bench.target))).toHaveLength(2);
    const result = await bench.run({ mode: 'mirror', filter: { ...POLICY.filter, exclude: ['a//*'] } });
    expect(result.run.counters.items).toMatchObject({ scanned: 2, excluded: 1, deleted: 0 });
    expect(Object.keys(bench.content(bench.target))).toHaveLength(2);
    bench.source.remove('in', 'a//b');
    const gone = await bench.run({ mode: 'mirror', filter: { ...POLICY.filter, exclude: ['a//*'] } });
    expect(gone.run.counters.items).toMatchObject({ scanned: 1, deleted: 0 });
  });

  test('after the last source key are not copied again by a merge', async () => {
    await using bench = await openBench({}, { names: FILES });
    bench.source.put('in', 'a', '1');
    bench.source.put('in', 'a/b', '2');
    const first = await bench.run();
    expect(first.run.counters.items.copied).toBe(2);
    const puts = bench.target.requests.PUT;
    const second = await bench.run();
    expect(second.run.counters.items).toMatchObject({ same: 2, copied: 0 });
    expect(bench.target.requests.PUT).toBe(puts);
  });

  test('of archived objects are not forgotten when the wait for them is continued', async () => {
    await using bench = await openBench({ restoreMs: 0 }, { names: FILES });
    const cold = { storageClass: 'GLACIER', availability: 'archived' } as const;
    bench.source.put('in', 'a//b', 'mapped', cold);
    bench.source.put('in', 'z', 'plain', cold);
    const policy = { archived: { tier: 'Bulk', days: 1 } } as const;
    // The clock jumps whenever it is looked at, so that every settled item is committed at once.
    const stopper = new AbortController();
    let jumpMs = 0;
    const { clock } = bench.world;
    Object.assign(bench.world, { clock: { ...clock, monotonic: () => clock.monotonic() + (jumpMs += 10_000) } });
    bench.target.hooks.before = async (operation, key) => {
      if (operation !== 'PUT' || key === 'z') return;
      stopper.abort();
    };
    const stopped = await bench.run(policy, { signal: stopper.signal });
    expect(stopped.interrupted).toBe(true);
    bench.target.hooks.before = null;
    const result = await bench.run(policy, { continueRun: stopped.run });
    expect(result.run.counters.items).toMatchObject({ scanned: 2, copied: 2 });
    expect(Object.values(bench.content(bench.target)).toSorted()).toEqual(['mapped', 'plain']);
  });
});

describe('uploads in parts', () => {
  test('that could not be ended at once are ended before the run is', async () => {
    await using bench = await openBench({ listedDigests: [] });
    bench.source.put('in', 'large', Buffer.alloc(40 * MIB, 'x'));
    let parts = 0;
    let aborts = 0;
    bench.target.hooks.before = (operation) => {
      if (operation === 'PART' && ++parts === 2) throw new DroverError('UPLOAD_LOST', 'It is gone, says the store.');
      if (operation === 'ABORT' && ++aborts === 1) throw new DroverError('PERMISSION_DENIED', 'Not now.');
    };
    const result = await bench.run();
    expect(result.run.counters.items.copied).toBe(1);
    expect(bench.target.uploads.size).toBe(0);
    expect(await bench.state.store.intents(result.run.runId)).toEqual([]);
  });

  test('do not stay open when the run fails for good', async () => {
    await using bench = await openBench({ listedDigests: [], pageSize: 1 });
    bench.source.put('in', 'large', Buffer.alloc(40 * MIB, 'x'));
    bench.source.put('in', 'later', 'x');
    bench.source.put('in', 'latest', 'x');
    let begun = (): void => undefined;
    const hasBegun = new Promise<void>((resolve) => (begun = resolve));
    let lists = 0;
    bench.target.hooks.before = (operation) => void (operation === 'PART' && begun());
    bench.source.hooks.before = async (operation) => {
      if (operation !== 'LIST' || ++lists < 3) return;
      await hasBegun;
      throw new DroverError('INTERNAL', 'Nobody knows why.');
    };
    const result = await bench.run();
    expect(result.run.state).toBe('failed');
    expect(bench.target.uploads.size).toBe(0);
    expect(await bench.state.store.intents(result.run.runId)).toEqual([]);
  });
});

describe('a service that is away for a while', () => {
  test('pauses the run: the same command continues it', async () => {
    await using bench = await openBench({ pageSize: 5 });
    for (let i = 0; i < 20; i++) bench.source.put('in', `k${String(i).padStart(2, '0')}`, String(i));
    Object.assign(bench.world, { random: { ...bench.world.random, fraction: () => 0 } });
    let lists = 0;
    bench.source.hooks.before = (operation) => {
      if (operation === 'LIST' && ++lists > 2) throw new DroverError('UNAVAILABLE', 'It is being repaired.');
    };
    const stopped = await bench.run();
    expect(stopped.error?.code).toBe('UNAVAILABLE');
    expect(stopped.run.state).toBe('paused');
    bench.source.hooks.before = null;
    const result = await bench.run({}, { continueRun: stopped.run });
    expect(result.run.counters.items).toMatchObject({ scanned: 20, copied: 20 });
    sumsAgree(result, await bench.log(result));
  });
});

describe('a target that somebody else writes to', () => {
  test('keeps what is newer when newer objects are to be left alone', async () => {
    await using bench = await openBench();
    Object.assign(bench.world, { random: { ...bench.world.random, fraction: () => 0 } });
    bench.source.put('in', 'a', 'ours');
    bench.source.hooks.before = (operation) => {
      if (operation === 'GET') bench.target.put('out', 'a', 'theirs, newer', { modifiedAtMs: Date.now() });
    };
    const result = await bench.run({ targetNewer: 'skip' });
    expect(bench.content(bench.target)).toEqual({ a: 'theirs, newer' });
    expect(result.run.counters.items).toMatchObject({ scanned: 1, copied: 0, skipped: 1 });
  });
});

describe('a target that somebody else writes to while an object is copied', () => {
  const theirs = 'of somebody else';

  for (const [what, before] of [
    ['where nothing was', null],
    ['over what was compared', 'an old copy'],
  ] as const) {
    test(`keeps what they wrote ${what}; the next run compares it`, async () => {
      await using bench = await openBench({}, {}, hastyClock());
      bench.source.put('in', 'a', 'ours');
      bench.source.put('in', 'b', 'fine');
      if (before !== null) bench.target.put('out', 'a', before);
      let writes = 0;
      bench.source.hooks.before = (operation, key) => {
        if (operation === 'GET' && key === 'a' && writes++ === 0) bench.target.put('out', 'a', theirs);
      };
      const result = await bench.run();
      expect(bench.content(bench.target)).toEqual({ a: theirs, b: 'fine' });
      expect(result.run.state).toBe('completed-with-issues');
      expect(result.run.counters.items).toMatchObject({ scanned: 2, copied: 1, failed: 1 });
      const log = await bench.log(result);
      expect(log.find(({ key }) => key === 'a')).toMatchObject({ result: 'failed', code: 'ALREADY_EXISTS' });
      sumsAgree(result, log);
      const again = await bench.run();
      expect(again.run.counters.items).toMatchObject({ copied: 1, same: 1, failed: 0 });
      expect(bench.target.text('out', 'a')).toBe('ours');
    });
  }

  test('also when a first try was cut short before it wrote anything', async () => {
    await using bench = await openBench({}, {}, hastyClock());
    bench.source.put('in', 'a', 'ours');
    let reads = 0;
    bench.source.hooks.reading = (_key, content) => {
      if (reads++ > 0) return content;
      bench.target.put('out', 'a', 'mine');
      return content.slice(1);
    };
    const result = await bench.run();
    expect(result.run.counters.items).toMatchObject({ copied: 0, failed: 1 });
    expect(bench.target.text('out', 'a')).toBe('mine');
  });

  test('and while an archived object was waited for', async () => {
    await using bench = await openBench({ restoreMs: 10 * 60_000 }, {}, hastyClock());
    bench.source.put('in', 'cold', 'ice', { storageClass: 'GLACIER', availability: 'archived' });
    bench.target.put('out', 'cold', 'an old copy');
    bench.source.hooks.after = (operation) => {
      if (operation === 'RESTORE') bench.target.put('out', 'cold', theirs);
    };
    const result = await bench.run({ archived: { tier: 'Bulk', days: 3 } });
    expect(result.run.counters.items).toMatchObject({ copied: 0, failed: 1 });
    expect(bench.target.text('out', 'cold')).toBe(theirs);
  });

  test('but is given what replaces a broken copy of our own that could not be taken away', async () => {
    const facts = { ...HONEST_FACTS, checksums: {}, contentMd5: 'ignored' as const, returned: ['md5' as const] };
    await using bench = await openBench({}, { facts, without: ['removal'], recordsSource: false }, hastyClock());
    bench.source.put('in', 'a', 'ours');
    let writes = 0;
    bench.target.hooks.arriving = (_key, content) => (writes++ === 0 ? content.map((byte) => byte ^ 1) : content);
    const result = await bench.run();
    expect(writes).toBe(2);
    expect(result.run.counters.items).toMatchObject({ copied: 1, failed: 0 });
    expect(bench.target.text('out', 'a')).toBe('ours');
  });

  test('but is given what a lost answer of our own hid, though it tells nothing of its contents', async () => {
    await using bench = await openBench(WITHOUT_DIGESTS, { ...WITHOUT_DIGESTS, recordsSource: false }, hastyClock());
    bench.source.put('in', 'a', 'ours', { digests: {}, etag: 'one' });
    let answers = 0;
    bench.target.hooks.after = (operation) => {
      if (operation !== 'PUT' || (answers += 1) > REQUEST_ATTEMPTS_MAX) return;
      throw new DroverError('UNREACHABLE', 'The answer was lost.');
    };
    const result = await bench.run();
    expect(answers).toBe(REQUEST_ATTEMPTS_MAX + 1);
    expect(result.run.counters.items).toMatchObject({ copied: 1, failed: 0 });
  });
});

describe('a source whose order is not that of bytes, although it says so', () => {
  /** As stores order that compare UTF-16 units: U+1F600 before U+FF61. */
  const KEYS = ['a', 'b', '\u{1f600}', '\uff61', '\uff62', '\uff63'];

  function wrap(inner: Source, onList: (page: number) => Promise<void>): Source {
    const sorted = KEYS.toSorted((a, b) => (a < b ? -1 : 1));
    let pages = 0;
    async function* scan(range: ScanRange, signal: AbortSignal): AsyncGenerator<Page> {
      const rest = sorted.filter((key) => range.from === null || key >= range.from);
      for (let at = 0; at <= rest.length; at++) {
        await onList((pages += 1));
        const key = rest[at];
        const entry = key === undefined ? null : await inner.stat(key, signal);
        const isWanted = entry !== null && isWithin(entry.key, range.from, range.to);
        yield { entries: isWanted ? [entry] : [], cursor: null, complete: at === rest.length };
        if (at === rest.length) return;
      }
    }
    return {
      traits: inner.traits,
      facets: inner.facets,
      scan,
      stat: (key, signal) => inner.stat(key, signal),
      describe: (entry, signal) => inner.describe(entry, signal),
      read: (entry, range, signal) => inner.read(entry, range, signal),
      [Symbol.asyncDispose]: async () => undefined,
    };
  }

  const stops = Array.from({ length: 13 }, (_, i) => ({ operation: 'listing', stopAt: i + 2 }));
  for (const { operation, stopAt } of [...stops, ...stops.slice(0, 4).map((one) => ({ ...one, operation: 'write' }))]) {
    test(`loses nothing when it is stopped at ${operation} ${stopAt} and continued`, async () => {
      await using bench = await openBench();
      for (const key of KEYS) bench.source.put('in', key, `content of ${key}`);
      const definition = defineTransfer({
        command: 'copy',
        source: { connector: 's', provider: 'memory', fingerprint: 's', place, label: 's', only: null },
        target: { connector: 't', provider: 'memory', fingerprint: 't', place, label: 't', only: null },
        policy: POLICY,
        concessions: [],
      });
      let continueRun: RunRecord | null = null;
      for (let round = 0; round < 4; round++) {
        const stopper = new AbortController();
        const ends = await bench.ends();
        const stop = async (number: number): Promise<void> => {
          if (round >= 2 || number !== stopAt) return;
          // What was listed before is at the target by then.
          for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve));
          stopper.abort();
        };
        let writes = 0;
        bench.target.hooks.before = (what) =>
          operation === 'write' && what === 'PUT' ? stop((writes += 1)) : undefined;
        const source = wrap(ends.source, operation === 'listing' ? stop : async () => undefined);
        const options = {
          runId: 'testrun000000',
          tuning: { ...TUNING, transfersMax: 1 },
          signal: stopper.signal,
          onProgress: null,
        };
        const result = await runTransfer(definition, { ...ends, source }, bench.world, { ...options, continueRun });
        expect(result.error).toBeNull();
        if (!result.interrupted) {
          expect(bench.content(bench.target)).toEqual(bench.content(bench.source));
          expect(result.run.counters.items.scanned).toBe(KEYS.length);
          return;
        }
        continueRun = result.run;
      }
    });
  }
});

describe('a clock that was ahead for a while', () => {
  test('does not make an old snapshot the newest for ever', async () => {
    await using bench = await openBench({ listedDigests: [] }, { listedDigests: [], recordsSource: false });
    const { clock } = bench.world;
    bench.source.put('in', 'a', 'one');
    Object.assign(bench.world, { clock: { ...clock, now: () => clock.now() + 86_400_000 } });
    await bench.run();
    Object.assign(bench.world, { clock });
    bench.source.put('in', 'a', 'two');
    expect((await bench.run()).run.counters.items.copied).toBe(1);
    expect((await bench.run()).run.counters.items).toMatchObject({ copied: 0, same: 1 });
  });
});

describe('an object that has become the name of a folder too', () => {
  test('makes room for it in a mirror, and the next run has everything', async () => {
    await using bench = await openBench({}, { names: FILES });
    bench.source.put('in', 'a', '1');
    await bench.run({ mode: 'mirror' });
    bench.source.put('in', 'a/b', '2');
    await bench.run({ mode: 'mirror' });
    await bench.run({ mode: 'mirror' });
    expect(Object.values(bench.content(bench.target)).toSorted()).toEqual(['1', '2']);
    const last = await bench.run({ mode: 'mirror' });
    expect(last.run.counters.items).toMatchObject({ same: 2, copied: 0, deleted: 0 });
  });

  test('and is one no more, is never away from the target', async () => {
    await using bench = await openBench({}, { names: FILES });
    bench.source.put('in', 'a', '1');
    bench.source.put('in', 'a/b', '2');
    await bench.run({ mode: 'mirror' });
    bench.source.remove('in', 'a/b');
    await bench.run({ mode: 'mirror' });
    expect(Object.values(bench.content(bench.target))).toContain('1');
    await bench.run({ mode: 'mirror' });
    await bench.run({ mode: 'mirror' });
    expect(bench.content(bench.target)).toEqual({ a: '1' });
  });
});

describe('two runs at once', () => {
  test('a segment that cannot be claimed does not count as done', async () => {
    await using bench = await openBench();
    bench.source.put('in', 'a', '1');
    const { store } = bench.world;
    const claim = store.claim.bind(store);
    // Another worker has it.
    store.claim = async (runId, worker) => {
      const lease = await claim(runId, worker);
      return lease?.segment.kind === 'keys' ? null : lease;
    };
    const result = await bench.run({ mode: 'mirror', allowEmptySource: true });
    expect(result.run.state).toBe('paused');
    expect(result.error?.code).toBe('GUARD_BUSY');
  });
});

describe('content that a failing target never asked for', () => {
  for (const listedDigests of [['md5'], []] as const) {
    test(`is let go of, ${listedDigests.length > 0 ? 'streamed' : 'in parts'}`, async () => {
      await using bench = await openBench({ listedDigests });
      bench.source.put('in', 'large', Buffer.alloc(24 * MIB, 'x'));
      bench.target.hooks.before = (operation) => {
        if (operation === 'PUT' || operation === 'PART') throw new DroverError('PERMISSION_DENIED', 'Not here.');
      };
      const ends = await bench.ends();
      let open = 0;
      let read = 0;
      const source: Source = Object.assign(Object.create(ends.source), {
        scan: ends.source.scan.bind(ends.source),
        describe: ends.source.describe.bind(ends.source),
        stat: ends.source.stat.bind(ends.source),
        async read(...args: Parameters<Source['read']>) {
          const reading = await ends.source.read(...args);
          open += 1;
          read += 1;
          async function* body(): AsyncGenerator<Uint8Array> {
            try {
              yield* reading.body;
            } finally {
              open -= 1;
            }
          }
          return { ...reading, body: body() };
        },
      });
      const end = (name: string) =>
        ({ connector: name, provider: 'memory', fingerprint: name, place, label: name, only: null }) as const;
      const definition = defineTransfer({
        command: 'copy',
        source: end('s'),
        target: end('t'),
        policy: POLICY,
        concessions: [],
      });
      const options = { runId: 'testrun000000', tuning: TUNING, onProgress: null, continueRun: null };
      const signal = new AbortController().signal;
      const result = await runTransfer(definition, { ...ends, source }, bench.world, { ...options, signal });
      expect(result.run.counters.items).toMatchObject({ scanned: 1, failed: 1 });
      await new Promise((resolve) => setImmediate(resolve));
      expect(read).toBeGreaterThan(0);
      expect(open).toBe(0);
    });
  }
});
