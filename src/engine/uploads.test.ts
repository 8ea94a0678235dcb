/** What the journal knows of an upload when the process is gone from one moment to the next. */
import { describe, expect, test } from 'vitest';
import type { PartReceipt, Parts } from '../contract/provider.ts';
import { FakeClock, seededRandom } from '../lib/fake-world.ts';
import { systemClock, systemRandom } from '../lib/system.ts';
import type { Entry } from '../model/entry.ts';
import { DroverError } from '../model/errors.ts';
import { BEGIN_LATE_MS } from './limits.ts';
import type { Intent, RunStore } from './ports.ts';
import { UploadBook, type UploadPlan } from './uploads.ts';

const PLAN = {
  key: 'large',
  source: { key: 'large', sizeBytes: 1000, identity: { etag: 'e1', versionId: null } } as Entry,
  sizeBytes: 1000,
  partBytes: 1,
  options: { signal: new AbortController().signal },
} as UploadPlan;

const PARTS = {
  limits: {},
  begin: async () => ({ key: 'large', startedAtMs: 1, token: 'u1' }),
} as unknown as Parts;

function receipt(index: number): PartReceipt {
  return { index, sizeBytes: 1, token: index, proved: {} };
}

/** A journal that takes a turn of the queue for each saving. */
function openJournal(): { readonly store: RunStore; readonly saved: () => number; savings: number } {
  let last: Intent | null = null;
  const journal = {
    savings: 0,
    saved: () => ((last?.upload as { receipts?: unknown[] } | null)?.receipts ?? []).length,
    store: {
      saveIntent: async (intent: Intent) => {
        await new Promise((resolve) => setImmediate(resolve));
        journal.savings += 1;
        last = intent;
      },
    } as unknown as RunStore,
  };
  return journal;
}

describe('the journal of an upload', () => {
  test('knows every part of those that arrive together', async () => {
    const journal = openJournal();
    const book = new UploadBook(journal.store, 'run', systemClock, systemRandom, 'over');
    const open = await book.open(PARTS, PLAN);
    journal.savings = 0;
    const arrive = async (index: number): Promise<void> => {
      open.receipts.set(index, receipt(index));
      await book.saveReceipts(PLAN, open);
    };
    await Promise.all([0, 1, 2, 3].map(arrive));
    expect(journal.saved()).toBe(4);
    expect(journal.savings).toBe(2);
    await arrive(4);
    expect(journal.saved()).toBe(5);
  });

  test('is not written anew for each of very many parts', async () => {
    const journal = openJournal();
    const clock = { ...systemClock, monotonic: () => 5 };
    const book = new UploadBook(journal.store, 'run', clock, systemRandom, 'over');
    const open = await book.open(PARTS, PLAN);
    for (let index = 0; index < 1000; index++) {
      open.receipts.set(index, receipt(index));
      await book.saveReceipts(PLAN, open);
    }
    expect(journal.savings).toBeLessThan(300);
  });
});

describe('what others began on the same key, at a store that does not tell whose it is', () => {
  test.each([
    ['before', ['foreign', 'ours'], ['ours']],
    ['never', ['ours'], ['ours']],
  ])('%s the intent stays, although it looks like ours', async (when, open, aborted) => {
    const uploads = when === 'before' ? ['foreign'] : [];
    const gone: unknown[] = [];
    const intents: Intent[] = [];
    const store = {
      saveIntent: async (intent: Intent) => void intents.splice(0, 1, intent),
      intents: async () => intents,
      dropIntent: async () => undefined,
    } as unknown as RunStore;
    const signal = new AbortController().signal;
    const parts = {
      limits: { tellsInitiator: false },
      begin: async () => {
        uploads.push('ours');
        throw new Error('the process is gone');
      },
      find: async () => uploads.map((token) => ({ key: 'large', startedAtMs: 1, token })),
      abort: async ({ token }: { token: unknown }) => void gone.push(token),
    } as unknown as Parts;
    const stopped = new AbortController();
    stopped.abort();
    const book = new UploadBook(store, 'run', systemClock, systemRandom, 'over');
    await expect(book.open(parts, { ...PLAN, options: { signal: stopped.signal } } as UploadPlan)).rejects.toThrow();
    expect(uploads).toEqual(open);
    await new UploadBook(store, 'run', systemClock, systemRandom, 'over').sweep(parts, signal);
    expect(gone).toEqual(aborted);
  });
});

describe('where nobody could look before the upload was begun, at a store that does not tell whose it is,', () => {
  const failing = (code: 'PERMISSION_DENIED' | 'UNAVAILABLE') => {
    const intents: Intent[] = [];
    const dropped: string[] = [];
    const gone: unknown[] = [];
    const uploads = ['foreign'];
    let mayLook = false;
    const store = {
      saveIntent: async (intent: Intent) => void intents.splice(0, 1, intent),
      intents: async () => intents,
      dropIntent: async (_run: string, id: string) => void dropped.push(id),
    } as unknown as RunStore;
    const stopping = new AbortController();
    const parts = {
      limits: { tellsInitiator: false },
      begin: async () => {
        uploads.push('ours');
        stopping.abort();
        throw new Error('the process is gone');
      },
      find: async () => {
        if (!mayLook) throw new DroverError(code, 'No.');
        return uploads.map((token) => ({ key: 'large', startedAtMs: 1, token }));
      },
      abort: async ({ token }: { token: unknown }) => void gone.push(token),
    } as unknown as Parts;
    const book = new UploadBook(store, 'run', systemClock, systemRandom, 'over');
    const opening = book.open(parts, { ...PLAN, options: { signal: stopping.signal } } as UploadPlan);
    const sweep = (): Promise<void> => {
      mayLook = true;
      return new UploadBook(store, 'run', systemClock, systemRandom, 'over').sweep(parts, new AbortController().signal);
    };
    return { opening, uploads, gone, dropped, sweep };
  };

  test('for lack of a right, nothing that is found later is taken for ours', async () => {
    const { opening, gone, dropped, sweep } = failing('PERMISSION_DENIED');
    await expect(opening).rejects.toThrow('the process is gone');
    await sweep();
    expect(gone).toEqual([]);
    expect(dropped).toEqual([]);
  });

  test('for the moment, none is begun', async () => {
    const { opening, uploads } = failing('UNAVAILABLE');
    await expect(opening).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(uploads).toEqual(['foreign']);
  });
});

test("what is certainly ours is ended beside what may be somebody else's, and the question stays journaled", async () => {
  const intent = { runId: 'run', intentId: 'i', targetKey: 'large', startedAtMs: 1, upload: null } as Intent;
  const gone: unknown[] = [];
  const dropped: string[] = [];
  const store = {
    intents: async () => [intent],
    dropIntent: async (_run: string, id: string) => void dropped.push(id),
  } as unknown as RunStore;
  const open = [
    { key: 'large', startedAtMs: 1, token: 'ours' },
    { key: 'large', startedAtMs: 1, token: 'unsure', isUnsure: true },
  ];
  const parts = {
    limits: {},
    find: async () => open.filter(({ token }) => !gone.includes(token)),
    abort: async ({ token }: { token: unknown }) => void gone.push(token),
  } as unknown as Parts;
  const sweep = (): Promise<void> =>
    new UploadBook(store, 'run', systemClock, systemRandom, 'over').sweep(parts, new AbortController().signal);
  await sweep();
  expect({ gone, dropped }).toEqual({ gone: ['ours'], dropped: [] });
  open.pop();
  await sweep();
  expect(dropped).toEqual(['i']);
});

describe('what another run began on the same key', () => {
  const intent = (runId: string, upload: object | null): Intent =>
    ({ runId, intentId: runId, targetKey: 'large', startedAtMs: 1, upload }) as unknown as Intent;
  const begun = (token: string) => ({ upload: { key: 'large', startedAtMs: 1, token }, receipts: [], received: [] });

  test.each([
    ['is spared where its journal names it', [intent('live', begun('theirs'))], ['ours'], []],
    ['is not told from ours before its journal does, so both stay', [intent('live', null)], [], ['run']],
    ['is of no account where nobody else has one', [], ['ours', 'theirs'], []],
  ])('%s', async (_name, others, aborted, kept) => {
    let intents = [intent('run', null)];
    const gone: unknown[] = [];
    let isFound = false;
    const store = {
      intents: async () => intents,
      dropIntent: async (_runId: string, id: string) => void (intents = intents.filter((one) => one.intentId !== id)),
      saveIntent: async () => undefined,
      othersIntents: async () => {
        // What is journaled while the store is asked must count, too.
        expect(isFound).toBe(true);
        return others;
      },
    };
    const parts = {
      limits: {},
      find: async () => {
        isFound = true;
        return ['ours', 'theirs'].map((token) => ({ key: 'large', startedAtMs: 1, token }));
      },
      abort: async ({ token }: { token: unknown }) => void gone.push(token),
    } as unknown as Parts;
    await new UploadBook(store, 'run', systemClock, systemRandom, 'over').sweep(parts, new AbortController().signal);
    expect(gone).toEqual(aborted);
    expect(intents.map(({ intentId }) => intentId)).toEqual(kept);
  });
});

describe('where nobody looks after it later', () => {
  /** One upload that was asked for at that time, and comes to the store so much later. */
  function journaled(startedAtMs: number, clock: FakeClock, lateMs: number) {
    const open = new Set<unknown>();
    let intents = [{ runId: 'run', intentId: 'i', targetKey: 'large', startedAtMs, upload: null }] as readonly Intent[];
    const store = {
      intents: async () => intents,
      dropIntent: async () => void (intents = []),
    } as unknown as RunStore;
    const parts = {
      limits: {},
      find: async () => [...open].map((token) => ({ key: 'large', startedAtMs, token })),
      abort: async ({ token }: { token: unknown }) => void open.delete(token),
    } as unknown as Parts;
    void clock.sleep(lateMs).then(() => open.add('late'));
    const book = new UploadBook(store, 'run', clock, seededRandom(1), 'awaited');
    return { open, parts, left: () => intents, sweep: () => book.sweep(parts, new AbortController().signal) };
  }

  test.each([
    ['was asked for just now', 0],
    ['was asked for by a clock that was ahead', 24 * 3_600_000],
  ])('a sweep waits for an upload that %s and may come late', async (_name, aheadMs) => {
    const clock = new FakeClock();
    const { open, left, sweep } = journaled(clock.now() + aheadMs, clock, BEGIN_LATE_MS - 1);
    const beganAtMs = clock.monotonic();
    await clock.run(sweep());
    expect(clock.monotonic() - beganAtMs).toBe(BEGIN_LATE_MS);
    expect(open.size).toBe(0);
    expect(left()).toEqual([]);
  });

  test('a sweep does not wait for one that was asked for long ago', async () => {
    const clock = new FakeClock();
    const { left, sweep } = journaled(clock.now() - BEGIN_LATE_MS, clock, 3_600_000);
    await sweep();
    expect(left()).toEqual([]);
  });
});
