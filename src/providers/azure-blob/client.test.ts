/** The wire: clocks that are wrong, clouds that lag behind, names that must not be touched. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { HttpRequest, OpenTransport } from '../../lib/transport.ts';
import { systemClock } from '../../lib/system.ts';
import { DroverError } from '../../model/errors.ts';
import { NO_PROPERTIES } from '../../model/entry.ts';
import type { WriteOptions } from '../../contract/provider.ts';
import type { AzureOptions } from '../../sim/azure-service.ts';
import { simContext, simForm, simService } from '../../../test/azure-sim-bench.ts';
import { encodeBlobName, isContainerName, nameRules, refuseName } from './names.ts';
import { azureBlob } from './provider.ts';

const { signal } = new AbortController();
const place = { container: 'box', prefix: '' };

const options = (more: Partial<WriteOptions> = {}): WriteOptions => ({
  properties: NO_PROPERTIES,
  digests: {},
  expect: { kind: 'any' },
  modifiedAtMs: null,
  recorded: null,
  storageClass: null,
  kind: 'object',
  signal,
  ...more,
});

/** Sees every request, and may answer it itself. */
async function opened(
  settings: Partial<AzureOptions>,
  answer: (request: HttpRequest) => { status: number; code: string; body: string } | null = () => null,
  afterwards: () => Promise<void> = async () => {},
) {
  const service = simService(settings);
  service.createContainer('box');
  const seen: HttpRequest[] = [];
  const wrap = (open: OpenTransport): OpenTransport => {
    return (network) => {
      const inner = open(network);
      return {
        close: () => inner.close(),
        async send(request) {
          seen.push(request);
          const own = answer(request);
          if (own === null) {
            const response = await inner.send(request);
            await afterwards();
            return response;
          }
          const bytes = Buffer.from(own.body);
          const headers = { 'x-ms-error-code': own.code };
          return {
            status: own.status,
            headers,
            body: (async function* () {})(),
            bytes: async () => bytes,
            discard: async () => {},
          };
        },
      };
    };
  };
  const logged: string[] = [];
  const account = await azureBlob.open(simForm(), simContext(service, logged, wrap));
  return { account, service, seen, logged };
}

describe('a clock that is wrong', () => {
  test.each([3_600_000, -3_600_000])(
    'by %i ms is noticed once, and signing goes by the time of the service',
    async (offsetMs) => {
      const clock = { ...systemClock, now: () => systemClock.now() + offsetMs };
      const { account, seen, logged } = await opened({ clock });
      const source = await account.source(place, { versions: 'current' }, signal);
      expect(await source.stat('nothing', signal)).toBeNull();
      const before = seen.length;
      expect(await source.stat('nothing', signal)).toBeNull();
      expect(seen.length - before).toBe(1);
      expect(logged.filter((line) => line.includes('clock'))).toHaveLength(1);
    },
  );
});

describe('a cloud that lags behind', () => {
  test('is spoken to in an older version, without what that cannot do', async () => {
    const { account, service, seen } = await opened({}, (request) =>
      request.headers['x-ms-version'] === '2026-04-06'
        ? {
            status: 400,
            code: 'InvalidHeaderValue',
            body: '<Error><Code>InvalidHeaderValue</Code><HeaderName>x-ms-version</HeaderName></Error>',
          }
        : null,
    );
    for (const name of ['a', 'b', 'c']) service.put('box', name, name);
    const source = await account.source(place, { versions: 'current' }, signal);
    expect(source.traits.seek).toBe('none');
    const keys: string[] = [];
    for await (const page of source.scan({ from: 'b', to: 'c', resume: null }, signal))
      keys.push(...page.entries.map((entry) => entry.key));
    expect(keys).toEqual(['b']);
    expect(seen.at(-1)?.headers['x-ms-version']).toBe('2023-11-03');
    expect(seen.at(-1)?.path).not.toContain('startFrom');
  });
});

describe('requests of one write', () => {
  test('from memory: one, with the digest that was told', async () => {
    const { account, seen } = await opened({});
    const target = await account.target(place, { facts: null, runId: 'run00001' }, signal);
    const before = seen.length;
    const content = Buffer.from('hello');
    const digests = { md5: '5d41402abc4b2a76b9719d911017c592' };
    const written = await target.write(
      'a',
      { sizeBytes: 5, content },
      options({ digests, expect: { kind: 'absent' } }),
    );
    expect(seen.length - before).toBe(1);
    expect(seen.at(-1)?.headers).toMatchObject({ 'content-md5': 'XUFAKrxLKna5cZ2REBfFkg==', 'if-none-match': '*' });
    expect(written.proved.md5).toBe(digests.md5);
  });

  test('from a stream nobody has a digest of: a block and a commit, and a broken stream shows nothing', async () => {
    const { account, seen, service } = await opened({});
    const target = await account.target(place, { facts: null, runId: 'run00001' }, signal);
    const before = seen.length;
    const stream = async function* (text: string) {
      yield Buffer.from(text);
    };
    await target.write('a', { sizeBytes: 5, content: stream('hello') }, options());
    expect(seen.slice(before).map((request) => request.operation)).toEqual(['PART', 'COMMIT']);
    await expect(target.write('a', { sizeBytes: 9, content: stream('hello') }, options())).rejects.toMatchObject({
      code: 'EARLY_END',
    });
    expect(service.bytes('box', 'a')?.toString()).toBe('hello');
  });

  test('whose answer was lost is recognised when it is repeated; the same of somebody else is not', async () => {
    let losesAnswer = false;
    const { account } = await opened(
      {},
      () => null,
      async () => {
        if (!losesAnswer) return;
        losesAnswer = false;
        throw new DroverError('UNAVAILABLE', 'The connection was lost before the answer came.');
      },
    );
    const target = await account.target(place, { facts: null, runId: 'run00001' }, signal);
    const write = () =>
      target.write('a', { sizeBytes: 5, content: Buffer.from('hello') }, options({ expect: { kind: 'absent' } }));
    losesAnswer = true;
    await expect(write()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect((await write()).entry.sizeBytes).toBe(5);
    await expect(write()).rejects.toMatchObject({ code: 'CHANGED' });
  });
});

describe('names', () => {
  test.each([
    ['a//b', 'a//b'],
    ['/a/', '/a/'],
    ['../a/./b', '../a/./b'],
    ['a b%41+&?#', 'a%20b%2541%2B%26%3F%23'],
    ["it's (1)*!", 'it%27s%20%281%29%2A%21'],
    ['ü\u{1f600}', '%C3%BC%F0%9F%98%80'],
  ])('%j goes on the wire as %s', (name, path) => {
    expect(encodeBlobName(name)).toBe(path);
  });

  test('come back from their encoding', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (name) => decodeURIComponent(encodeBlobName(name)) === name),
    );
  });

  test.each(['', 'a\\b', 'a.', 'a./b', '.', 'a\u0001', 'a\uffff', 'x'.repeat(1025), `${'a/'.repeat(254)}b`, '\udc80'])(
    '%j is refused before anything is sent',
    (name) => {
      expect(() => refuseName(name, nameRules('', false), 'object')).toThrow(
        expect.objectContaining({ code: 'UNREPRESENTABLE', key: name }),
      );
    },
  );

  test.each(['a', 'a//b', '/a', 'a/', 'x'.repeat(1024), '.a', 'a b ', 'Ä'])('%j is not', (name) => {
    expect(() => refuseName(name, nameRules('', false), 'object')).not.toThrow();
  });

  test('of containers', () => {
    expect(['abc', 'a-b', '$web', '0'.repeat(63)].every(isContainerName)).toBe(true);
    expect(['ab', 'A-b', 'a--b', '-ab', 'ab-', 'a.b', '0'.repeat(64)].some(isContainerName)).toBe(false);
  });
});
