/**
 * The kit has to be able to fail. Each row breaks the memory provider in one way that has cost somebody data, and names
 * the check that must notice.
 */
import { describe, expect, test } from 'vitest';
import { memoryHarness } from '../../test/memory-harness.ts';
import type { Account, Context, Page, Parts, Provider, Source, Target } from '../contract/provider.ts';
import { DroverError } from '../model/errors.ts';
import type { MemoryStore } from '../providers/memory/provider.ts';
import { checksOf } from './checks.ts';
import { wholeOf } from './helpers.ts';
import { nameOf, type Check, type Harness } from './harness.ts';
import { judged } from './trial.ts';

/** Told apart by nothing else. */
let sessions = 0;

type Methods<T> = { [K in keyof T]?: T[K] };

/** The object with some of its members replaced; the others keep their own `this`. */
function bent<T extends object>(inner: T, members: Methods<T>): T {
  return new Proxy(inner, {
    get(_inner, name) {
      if (Object.hasOwn(members, name)) return members[name as keyof T];
      const value: unknown = Reflect.get(inner, name, inner);
      return typeof value === 'function' ? value.bind(inner) : value;
    },
  });
}

interface Bend {
  readonly source?: (source: Source, store: MemoryStore) => Methods<Source>;
  readonly target?: (target: Target, store: MemoryStore) => Methods<Target>;
  readonly parts?: (parts: Parts, store: MemoryStore) => Methods<Parts>;
  readonly account?: (
    account: Account,
    context: Context,
    config: Readonly<Record<string, unknown>>,
  ) => Methods<Account>;
}

function broken(bend: Bend): Harness {
  const change = (provider: Provider, store: MemoryStore): Provider => ({
    ...provider,
    async open(config, context) {
      const account = await provider.open(config, context);
      return bent(account, {
        async source(...given) {
          const source = await account.source(...given);
          return bent(source, bend.source?.(source, store) ?? {});
        },
        async target(...given) {
          const target = await account.target(...given);
          const parts = target.facets.parts as Parts;
          const facets = { ...target.facets, parts: bent(parts, bend.parts?.(parts, store) ?? {}) };
          return bent(target, { facets, ...bend.target?.(target, store) });
        },
        ...bend.account?.(account, context, config),
      });
    },
  });
  return memoryHarness({ change, manyKeys: 2100 });
}

async function* pagesOf(inner: AsyncIterable<Page>, change: (page: Page) => Page | null): AsyncGenerator<Page> {
  for await (const page of inner) {
    const changed = change(page);
    if (changed === null) return;
    yield changed;
  }
}

const ROWS: readonly { readonly fault: string; readonly notices: string; readonly bend: Bend }[] = [
  {
    fault: 'a listing that stops without an end',
    notices: 'listing: every key once, in the promised order (source)',
    bend: { source: (s) => ({ scan: (r, signal) => pagesOf(s.scan(r, signal), (p) => ({ ...p, complete: false })) }) },
  },
  {
    fault: 'UTF-16 order',
    notices: 'listing: every key once, in the promised order (source)',
    bend: {
      source: (s) => ({
        scan: (r, signal) =>
          pagesOf(s.scan(r, signal), (p) => ({
            ...p,
            entries: p.entries.toSorted((a, b) => (a.key < b.key ? -1 : 1)),
          })),
      }),
    },
  },
  {
    fault: 'the first entry of a page comes twice',
    notices: 'listing: every key once, in the promised order (source)',
    bend: {
      source: (s) => ({
        scan: (r, signal) =>
          pagesOf(s.scan(r, signal), (p) => ({ ...p, entries: [...p.entries.slice(0, 1), ...p.entries] })),
      }),
    },
  },
  {
    fault: 'an upper bound that is taken in',
    notices: 'listing: a range takes its lower bound in and leaves its upper bound out, at every key (source)',
    bend: {
      source: (s) => ({ scan: (r, signal) => s.scan({ ...r, to: r.to === null ? null : `${r.to}\0` }, signal) }),
    },
  },
  {
    fault: 'cursors that start over',
    notices: 'listing: many keys: whole, in order, resumable after every page, bounded anywhere',
    bend: { source: (s) => ({ scan: (r, signal) => s.scan({ ...r, resume: null }, signal) }) },
  },
  {
    fault: 'an interrupted listing that looks complete',
    notices: 'listing: many keys: an interrupted listing never looks complete',
    bend: {
      source: (s) => ({
        async *scan(range, signal) {
          try {
            yield* s.scan(range, signal);
          } catch {
            yield { entries: [], cursor: null, complete: true };
          }
        },
      }),
    },
  },
  {
    fault: 'an absent container that looks empty',
    notices: 'listing: an absent container is PLACE_NOT_FOUND, for both sides',
    bend: {
      account: (account) => ({
        source: (place, options, signal) => account.source({ ...place, container: 'box' }, options, signal),
      }),
    },
  },
  {
    fault: 'a short content that is accepted',
    notices: 'reading: a range that comes back wrong is refused: early-end',
    bend: {
      source: (s) => ({
        async read(...given) {
          const reading = await s.read(...given);
          return { ...reading, body: tolerant(reading.body) };
        },
      }),
    },
  },
  {
    fault: 'a read of whatever is there now',
    notices: 'reading: CHANGED when the object was written to after it was listed',
    bend: {
      source: (s) => ({
        async read(entry, range, signal) {
          const now = await s.stat(entry.key, signal);
          return s.read(now ?? entry, range, signal);
        },
      }),
    },
  },
  {
    fault: 'readings that stay open',
    notices: 'reading: leaving early releases what it held',
    bend: {
      source: (s, store) => ({
        async read(...given) {
          store.openReadings += 1;
          return await s.read(...given);
        },
      }),
    },
  },
  {
    fault: 'a write that shows before it is whole',
    notices: 'writing: is not visible before it is whole',
    bend: {
      target: (t, store) => ({
        async write(key, body, options) {
          const content = leaking(body.content, (part) => store.put('box', `pre fix/${key}`, part));
          return await t.write(key, { ...body, content }, options);
        },
      }),
    },
  },
  {
    fault: 'a digest that is called proved because it was sent',
    notices: 'writing: a wrong digest is CORRUPTED and leaves everything as it was, or proves nothing',
    bend: {
      target: (t) => ({
        async write(key, body, options) {
          const result = await t.write(key, body, { ...options, digests: {} });
          return { ...result, proved: options.digests };
        },
      }),
    },
  },
  {
    fault: 'a stream that is cut to its declared size',
    notices: 'writing: a stream with one byte too many is EXTRA_BYTES and leaves everything as it was',
    bend: {
      target: (t) => ({
        async write(key, body, options) {
          const whole = body.content instanceof Uint8Array ? body.content : await wholeOf(body.content);
          return await t.write(key, { ...body, content: whole.subarray(0, body.sizeBytes) }, options);
        },
      }),
    },
  },
  {
    fault: 'an identity of whoever signs in',
    notices: 'identity: the same place has the same identity, plain, without secrets, its store on one line',
    bend: {
      account: () => {
        const store = `memory of session ${++sessions}`;
        return { identify: async (place) => ({ store, ...place }) };
      },
    },
  },
  {
    fault: 'an identity without the prefix',
    notices: 'identity: places overlap where one lies in the other, and nowhere else',
    bend: { account: () => ({ identify: async ({ container }) => ({ store: 'memory', container, prefix: '' }) }) },
  },
  {
    fault: 'a probe that nobody is told of',
    notices:
      'identity: what is tried out at a target is seen where it is told to be, and gone afterwards, also after a refusal',
    bend: { target: (t) => ({ observe: (signal) => t.observe!(signal) }) },
  },
  {
    fault: 'create-only that overwrites',
    notices: 'writing: create only: CHANGED when something is there, or said to be ignored',
    bend: { target: (t) => ({ write: (key, body, o) => t.write(key, body, { ...o, expect: { kind: 'any' } }) }) },
  },
  {
    fault: 'metadata that is lost in silence',
    notices: 'writing: values of metadata arrive exactly, or are reported as lost',
    bend: {
      target: (t) => ({
        write: (key, body, o) => t.write(key, body, { ...o, properties: { ...o.properties, metadata: {} } }),
      }),
    },
  },
  {
    fault: 'names that are tidied up',
    notices: 'hard names: an empty segment in the middle',
    bend: { target: (t) => ({ write: (key, body, o) => t.write(key.replaceAll('//', '/'), body, o) }) },
  },
  {
    fault: 'names that are normalized',
    notices: 'hard names: names that stay apart: composed and decomposed letters',
    bend: { target: (t) => ({ write: (key, body, o) => t.write(key.normalize('NFC'), body, o) }) },
  },
  {
    fault: 'an abort that fails the second time',
    notices: 'parts: aborting twice succeeds, shows nothing and loses the upload',
    bend: {
      parts: (p) => ({
        async abort(upload, signal) {
          await p.list(upload, signal);
          await p.abort(upload, signal);
        },
      }),
    },
  },
  {
    fault: 'foreign uploads that are found',
    notices: 'parts: finds an upload again of which only key and time are known; foreign ones never',
    bend: {
      parts: (_p, store) => ({
        find: async (key) =>
          [...store.uploads.values()].map((upload) => ({ key, startedAtMs: 0, token: { id: upload.id } })),
      }),
    },
  },
  {
    fault: 'a repeated complete that gives up',
    notices: 'parts: a lost answer to complete: repeating it finds out that it succeeded',
    bend: {
      parts: (p) => ({
        async complete(upload, receipts, options) {
          await p.list(upload, options.signal);
          return await p.complete(upload, receipts, options);
        },
      }),
    },
  },
  {
    fault: 'a removal without a condition',
    notices: 'removal: CHANGED when something else stands there by now, or said to be ignored',
    bend: {
      target: (t) => ({
        facets: {
          ...t.facets,
          removal: {
            async remove(entry, signal) {
              const now = await t.stat(entry.key, signal);
              return now === null ? 'absent' : ((await t.facets.removal?.remove(now, signal)) ?? 'absent');
            },
          },
        },
      }),
    },
  },
  {
    fault: 'a facet that is not there',
    notices: 'manifest: names a facet exactly when the opened object has it',
    bend: { source: (s) => ({ facets: { ...s.facets, tags: undefined } }) },
  },
  {
    fault: 'a secret in the log',
    notices: 'config: no secret in errors, check lines and logs, whatever goes wrong',
    bend: {
      account: (account, context, config) => ({
        check(...given) {
          context.log('debug', `Signing in with ${String(config['passphrase'])}.`);
          return account.check(...given);
        },
      }),
    },
  },
  {
    fault: 'a secret in an error',
    notices: 'config: no secret in errors, check lines and logs, whatever goes wrong',
    bend: {
      account: (_account, _context, config) => ({
        source: () => Promise.reject(new DroverError('UNREACHABLE', `No answer to ${String(config['passphrase'])}.`)),
      }),
    },
  },
  {
    fault: 'a signal that is not heard',
    notices: 'cancelling: a signal that fired before: writing from memory',
    bend: {
      target: (t) => ({
        write: (key, body, o) => t.write(key, body, { ...o, signal: new AbortController().signal }),
      }),
    },
  },
  {
    fault: 'a fault that may never be retried',
    notices: 'faults: reset at each request in turn: writing from memory',
    bend: {
      target: (t) => ({
        async write(...given) {
          try {
            return await t.write(...given);
          } catch (thrown) {
            throw new DroverError('INTERNAL', 'Something went wrong.', { cause: thrown });
          }
        },
      }),
    },
  },
];

async function* tolerant(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch {
    // Looks like an ordinary end.
  }
}

async function* leaking(
  content: Uint8Array | AsyncIterable<Uint8Array>,
  leak: (part: Uint8Array) => void,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of content instanceof Uint8Array ? [content] : content) {
    leak(chunk);
    yield chunk;
  }
}

function checkNamed(name: string, harness: Harness): Check {
  const found = checksOf(harness).find((check) => nameOf(check) === name);
  if (found === undefined) throw new Error(`There is no check "${name}".`);
  return found;
}

describe('the kit notices', () => {
  test.each(ROWS)('$fault', async ({ notices, bend }) => {
    const harness = broken(bend);
    const { row, error } = await judged(checkNamed(notices, harness), harness, 'plain');
    expect([row.result, error !== null], row.reason ?? '').toEqual(['fail', true]);
    const sound = broken({});
    expect((await judged(checkNamed(notices, sound), sound, 'plain')).row.result).toBe('pass');
  });
});

describe('exemptions', () => {
  const NAME = 'removal: what is gone already is fine';

  test('one that is needed is shown with its reason', async () => {
    const bend: Bend = {
      target: (t) => ({
        facets: { ...t.facets, removal: { remove: () => Promise.reject(new DroverError('INTERNAL', '?')) } },
      }),
    };
    const harness = { ...broken(bend), exempt: { [NAME]: 'a known defect' } };
    const { row, error } = await judged(checkNamed(NAME, harness), harness, 'plain');
    expect(row).toMatchObject({ result: 'exempt', reason: 'a known defect' });
    expect(error).toBeNull();
  });

  test('one that is not needed fails', async () => {
    const harness = { ...broken({}), exempt: { [NAME]: 'out of date' } };
    const { row, error } = await judged(checkNamed(NAME, harness), harness, 'plain');
    expect(row.result).toBe('fail');
    expect(String(error)).toContain('Remove the exemption');
  });
});
