/**
 * The bucket or container of one side is deleted while a run is under way: before each single request that the run makes,
 * one after the other. The run never ends as if the rest were fine.
 */
import { describe, expect, test } from 'vitest';
import type { RunResult } from '../../src/engine/world.ts';
import type { Policy } from '../../src/model/policy.ts';
import type { HttpRequest } from '../../src/lib/transport.ts';
import type { Seen } from '../../src/sim/transport.ts';
import { BARE, MIB, openClouds, type Clouds, type Kind } from './world.ts';

type SideName = 'source' | 'target';

const LARGE = Buffer.alloc(11 * MIB, 'drover');
const TAGGED = new Map([['team', 'blue']]);

/** One of each kind of work: whole, empty, with tags, in parts, over what is there, compared, and deleted. */
function plant(clouds: Clouds, { from, to, policy }: Way): void {
  const put = (kind: Kind, container: string, key: string, content: string | Uint8Array): void =>
    void (kind === 's3'
      ? clouds.s3.put(container, key, content, {
          tags: TAGGED,
          ...(content.length > MIB && policy.serverSide !== 'auto' ? BARE : {}),
        })
      : clouds.azure.put(container, key, content, { tags: TAGGED }));
  for (const key of ['changed', 'empty', 'large', 'small', 'same']) {
    put(from, 'inside', key, key === 'large' ? LARGE : key === 'empty' ? '' : `content of ${key}`);
  }
  put(to, 'outside', 'changed', 'older');
  put(to, 'outside', 'same', 'content of same');
  for (const key of ['extra-1', 'extra-2']) put(to, 'outside', key, 'only here');
}

function remove(clouds: Clouds, kind: Kind, side: SideName): void {
  const name = side === 'source' ? 'inside' : 'outside';
  if (kind === 's3') clouds.s3.removeBucket(name);
  else clouds.azure.container(name).deletedAtMs = clouds.clock.now();
}

interface Way {
  readonly from: Kind;
  readonly to: Kind;
  readonly side: SideName;
  readonly policy: Partial<Policy>;
}

/** `at`: before which of the requests to that side the place goes, counted from 0; `null`: it stays. */
async function runWithout(way: Way, at: number | null) {
  const { from, to, side, policy } = way;
  const asked: HttpRequest[] = [];
  let hasBegun = false;
  const plan = ({ request }: Seen) => {
    if (!hasBegun) return null;
    asked.push(request);
    if (asked.length - 1 !== at) return null;
    return { kind: 'meanwhile', run: () => remove(clouds, side === 'source' ? from : to, side) } as const;
  };
  await using clouds: Clouds = await openClouds({ from, to, [side]: { plan }, onBegin: () => void (hasBegun = true) });
  plant(clouds, way);
  const result = await clouds.run(policy);
  const left = (await clouds.log(result)).filter(({ result: how }) => how === 'failed' || how === 'skipped');
  const keys = (to === 's3' && side === 'source' ? clouds.s3.keys('outside') : null) ?? [];
  return { result, asked, left: left.map(({ key, code }) => `${key}: ${code}`), keys };
}

function shown({ run, error }: RunResult): string {
  return `${run.state} ${error?.code ?? ''}`.trim();
}

const POLICIES: Readonly<Record<string, Partial<Policy>>> = {
  'a mirror': { mode: 'mirror', deleteShareMax: 1 },
  'a merge that reads back': { mode: 'merge', verify: 'read-back' },
  'a merge that refreshes metadata': { mode: 'merge', metadata: 'refresh' },
  'a comparison': { mode: 'check', verify: 'read-back' },
  'a copy that the stores make': { mode: 'merge', serverSide: 'auto', acceptV0: true },
};

describe.each([
  ['s3', 's3'],
  ['azure', 's3'],
  ['s3', 'azure'],
] as const)('from %s to %s', (from, to) => {
  describe.each(Object.keys(POLICIES))('%s', (name) => {
    const policy = POLICIES[name] as Partial<Policy>;

    test('whose target goes before any of its requests fails with that, and blames no object', async () => {
      const way: Way = { from, to, side: 'target', policy };
      const whole = await runWithout(way, null);
      expect(shown(whole.result)).toBe(policy.mode === 'check' ? 'completed-with-issues' : 'succeeded');
      expect(whole.asked.length).toBeGreaterThan(1);
      const wrong: string[] = [];
      for (let at = 0; at < whole.asked.length; at++) {
        const { result, asked, left } = await runWithout(way, at);
        const { method, operation, path } = asked[at] as HttpRequest;
        const how = `${shown(result)} ${left.join(', ')}`.trim();
        if (how !== 'failed PLACE_NOT_FOUND') wrong.push(`${at} ${operation} ${method} ${path}: ${how}`);
      }
      expect(wrong).toEqual([]);
    });

    test('whose source goes before any of its requests fails with that, deletes nothing, and leaves nothing out', async () => {
      const way: Way = { from, to, side: 'source', policy };
      const whole = await runWithout(way, null);
      expect(whole.asked.length).toBeGreaterThan(1);
      const wrong: string[] = [];
      for (let at = 0; at < whole.asked.length; at++) {
        const { result, asked, left, keys } = await runWithout(way, at);
        const { method, operation, path } = asked[at] as HttpRequest;
        const hasExtras = to !== 's3' || keys.includes('extra-1');
        const how = `${shown(result)} ${left.join(', ')} ${hasExtras ? '' : 'deleted'}`.trim();
        if (how !== 'failed PLACE_NOT_FOUND') wrong.push(`${at} ${operation} ${method} ${path}: ${how}`);
      }
      expect(wrong).toEqual([]);
    });
  });
});
