/** In an account that keeps versions trials leave none where they may be removed, and no growing heap where they may not. */
import { describe, expect, test } from 'vitest';
import type { CheckLine, Context, TargetFacts } from '../contract/provider.ts';
import { NO_PROPERTIES } from '../model/entry.ts';
import { azureBlob } from '../providers/azure-blob/provider.ts';
import { createAzureService } from './azure-service.ts';
import { simTransport } from './transport.ts';
import { seededRandom, simClock } from './world.ts';

const KEY = Buffer.alloc(64, 7).toString('base64');
const { signal } = new AbortController();
const PLACE = { container: 'box', prefix: 'in/' };

function world(versioning: boolean) {
  const clock = simClock(Date.UTC(2026, 0, 15, 12), true);
  const service = createAzureService({
    clock,
    random: seededRandom(1),
    accountName: 'acct',
    accountKey: KEY,
    versioning,
  });
  service.createContainer('box');
  let mayRemove = true;
  const context: Context = {
    openTransport: simTransport(() => service, {
      clock,
      plan: ({ request }) =>
        request.method === 'DELETE' && /[?&]versionid=/i.test(request.path) && !mayRemove
          ? { kind: 'status', status: 403, code: 'AuthorizationPermissionMismatch' }
          : null,
    }),
    clock,
    random: seededRandom(2),
    log: () => undefined,
    environment: {},
    saveAccount: async () => undefined,
  };
  const open = () => azureBlob.open({ accountName: 'acct', accountKey: KEY }, context);
  let runs = 0;
  return {
    service,
    clock,
    allow: (may: boolean) => void (mayRemove = may),
    async check(): Promise<readonly CheckLine[]> {
      const lines: CheckLine[] = [];
      for await (const line of (await open()).check(PLACE, 'write', signal)) lines.push(line);
      return lines;
    },
    target: async () => (await open()).target(PLACE, { facts: null, runId: 'abcdefgh' }, signal),
    async observe(): Promise<TargetFacts> {
      const target = await (await open()).target(PLACE, { facts: null, runId: `abcdefgh${++runs}` }, signal);
      return target.observe!(signal);
    },
    /** Older versions, of all names. */
    left: () => [...service.container('box').history.values()].flat().length,
  };
}

const results = (lines: readonly CheckLine[]) =>
  lines.filter(({ what }) => ['write', 'tags', 'delete'].includes(what)).map(({ what, result }) => `${what} ${result}`);
const warnings = (lines: readonly CheckLine[]) => lines.filter(({ result }) => result === 'warning');
const ALL = ['write ok', 'tags ok', 'delete ok'];

test.each([true, false])('with versions %s and every right nothing stays', async (versioning) => {
  const { service, check, observe, left } = world(versioning);
  const facts = await observe();
  expect([left(), service.keys('box')]).toEqual([0, []]);
  const lines = await check();
  expect(results(lines)).toEqual(ALL);
  expect(warnings(lines)).toEqual([]);
  expect([left(), service.keys('box')]).toEqual([0, []]);
  expect(facts).toEqual({ ...(await world(false).observe()), keepsVersions: versioning });
});

describe('versions that may not be removed', () => {
  test('checks add none to those of the first one, and say so', async () => {
    const { service, clock, check, left, allow } = world(true);
    allow(false);
    for (let times = 0; times < 5; times += 1) {
      const lines = await check();
      expect(results(lines)).toEqual(ALL);
      expect(warnings(lines)).toEqual([
        expect.objectContaining({
          what: 'fact',
          message: expect.stringContaining('in/.drover-probe-check'),
          remedy: expect.stringContaining('Storage Blob Data Owner'),
        }),
      ]);
      expect(left()).toBeLessThanOrEqual(2);
      expect(left()).toBeGreaterThan(0);
      expect(service.keys('box')).toEqual([]);
      clock.advance(3_600_000);
    }
    allow(true);
    const lines = await check();
    expect(results(lines)).toEqual(ALL);
    expect(warnings(lines)).toEqual([]);
    expect(left()).toBe(0);
  });

  test('trying the store out leaves one each time, and finds out the same', async () => {
    const { service, observe, left, allow } = world(true);
    allow(false);
    const facts = await observe();
    expect([left(), service.keys('box')]).toEqual([1, []]);
    expect(facts).toEqual({ ...(await world(false).observe()), keepsVersions: true });
  });
});

test('what a run tries out by itself leaves no version either', async () => {
  const { left, target, service } = world(true);
  const to = await target();
  const write = async (key: string) => {
    const content = Buffer.from('drover probe', 'utf8');
    const options = {
      properties: NO_PROPERTIES,
      digests: {},
      expect: { kind: 'any' },
      kind: 'object',
      signal,
    } as const;
    const more = { modifiedAtMs: null, recorded: null, storageClass: null };
    return (await to.write(key, { sizeBytes: content.length, content }, { ...options, ...more })).entry;
  };
  const entry = await write('deep/.drover-probe-0123456789abcdef');
  expect(await to.facets.removal!.remove(entry, signal)).toBe('removed');
  expect([left(), service.keys('box')]).toEqual([0, []]);
  // Whatever else is deleted keeps its versions.
  await to.facets.removal!.remove(await write('.drover-probe-Mine'), signal);
  expect(left()).toBe(1);
});

test('a blob of somebody else who chose that very name stays as it is', async () => {
  const { service, check, left } = world(true);
  service.put('box', 'in/.drover-probe-check', 'mine');
  expect(results(await check())).toEqual(ALL);
  expect([left(), service.keys('box')]).toEqual([0, ['in/.drover-probe-check']]);
});
