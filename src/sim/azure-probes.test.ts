/** What is left of trials that were killed is taken away by the next one, and nothing that is not such a thing. */
import { expect, test } from 'vitest';
import type { Context, Target } from '../contract/provider.ts';
import { azureBlob } from '../providers/azure-blob/provider.ts';
import { createAzureService, type AzureOptions } from './azure-service.ts';
import { simTransport, type Seen } from './transport.ts';
import { seededRandom, simClock } from './world.ts';

const ACCOUNT = 'acct';
const KEY = Buffer.alloc(64, 7).toString('base64');
const { signal } = new AbortController();
const AGE_MS = 15 * 60_000;

function world(options: Partial<AzureOptions> = {}) {
  const clock = simClock(Date.UTC(2026, 0, 15, 12), true);
  const random = seededRandom(1);
  const service = createAzureService({ clock, random, accountName: ACCOUNT, accountKey: KEY, ...options });
  service.createContainer('box');
  let onAsked: (seen: Seen) => boolean = () => true;
  const context: Context = {
    // Whoever is killed hears of nothing any more, and asks for nothing.
    openTransport: simTransport(() => service, {
      clock,
      plan: (seen) => (onAsked(seen) ? null : { kind: 'reset' }),
    }),
    clock,
    random: seededRandom(2),
    log: () => undefined,
    environment: {},
    saveAccount: async () => undefined,
  };
  const open = () => azureBlob.open({ accountName: ACCOUNT, accountKey: KEY }, context);
  const targetOf = async (runId: string, prefix: string): Promise<Target> =>
    (await open()).target({ container: 'box', prefix }, { facts: null, runId }, signal);
  return {
    clock,
    service,
    async observe(runId: string, prefix = 'in/', below: string | null = null): Promise<unknown> {
      const target = await targetOf(runId, prefix);
      return target.observe!(signal, below === null ? undefined : { below, seen: async () => undefined });
    },
    async check(prefix = 'in/'): Promise<void> {
      for await (const line of (await open()).check({ container: 'box', prefix }, 'write', signal)) void line;
    },
    /** From the first request of that operation on, or of its so-manieth. */
    diesAt(operation: string, times = 1): void {
      let left = times;
      onAsked = ({ request }) => {
        if (request.operation === operation) left -= 1;
        return left > 0;
      };
    },
    lives: () => void (onAsked = () => true),
    left: () => service.keys('box'),
  };
}

test.each<[string, string, string | null, number]>([
  ['was written', 'PART', null, 1],
  ['was written below a folder', 'PART', 'deep/er/', 1],
  ['was put together of a block', 'DELETE', null, 1],
])(
  'a trial that was killed when its blob %s leaves nothing behind the next one a while later',
  async (_, at, below, times) => {
    const { clock, observe, diesAt, lives, left } = world();
    diesAt(at, times);
    await expect(observe('abcdefgh', 'in/', below)).rejects.toThrow();
    const name = `in/${below ?? ''}.drover-probe-abcdefgh`;
    expect(left()).toEqual([name]);
    lives();
    // Whoever made it may be at it still.
    await observe('bcdefghi', 'in/', below);
    expect(left()).toEqual([name]);
    clock.advance(AGE_MS + 1_000);
    await observe('cdefghij', 'in/', below);
    expect(left()).toEqual([]);
  },
);

test('the same of a check of permissions', async () => {
  const { clock, observe, check, diesAt, lives, left } = world();
  diesAt('DELETE', 2);
  await check();
  expect(left()).toEqual(['in/.drover-probe-check']);
  lives();
  clock.advance(AGE_MS + 1_000);
  await observe('cdefghij');
  expect(left()).toEqual([]);
});

test('what only looks like that stays, and so does what may not be listed', async () => {
  const { clock, service, observe, diesAt, lives, left } = world();
  diesAt('PART');
  await expect(observe('abcdefgh')).rejects.toThrow();
  lives();
  const content = service.bytes('box', 'in/.drover-probe-abcdefgh')!;
  service.container('box').blobs.delete('in/.drover-probe-abcdefgh');
  service.put('box', 'in/.drover-probe-of-mine.txt', content);
  service.put('box', 'in/.drover-probe-Abcdefgh', content);
  service.put('box', 'in/deeper/.drover-probe-abcdefgh', content);
  service.put('box', 'other/.drover-probe-abcdefgh', content);
  service.put('box', 'in/.drover-probe-abcdefgi', 'another content');
  // As long as ours is, and without a digest.
  service.put('box', 'in/.drover-probe-abcdefgj', Buffer.alloc(content.length, 'x'), { contentMd5: null });
  const before = left();
  expect(before).toHaveLength(6);
  clock.advance(2 * AGE_MS);
  await observe('bcdefghi');
  expect(left()).toEqual(before);
});
