/** A worker dies in a later phase and could not say what it moved last: that is found there, and proved like all the rest. */
import { describe, expect, test } from 'vitest';
import type { SegmentKind } from '../../src/engine/ports.ts';
import { ALL_NAMES } from '../../src/model/names.ts';
import type { Policy } from '../../src/model/policy.ts';
import type { MemoryBehaviour } from '../../src/providers/memory/behaviour.ts';
import { sumsAgree } from './bench.ts';
import { openFleet, RUN_ID, type Fleet } from './fleet.ts';

/** Nobody tells a digest, and no mark speaks for a copy: as between folders. */
const SILENT = { pageSize: 1_000, listedDigests: [], recordsSource: false } as const;
const FILES = { ...ALL_NAMES, emptySegments: false, dotSegments: false, trailingSlashContent: false };
const COLD = { storageClass: 'GLACIER', availability: 'archived' } as const;
const COUNT = 200;
const RESTORE_MS = 60_000;

interface Phase {
  readonly kind: SegmentKind;
  readonly source: Partial<MemoryBehaviour>;
  readonly target: Partial<MemoryBehaviour>;
  readonly policy: Partial<Policy>;
  readonly key: (number: string) => string;
  readonly name: (number: string) => string;
}

const PHASES: Readonly<Record<string, Phase>> = {
  'names that the target cannot hold': {
    kind: 'mapped',
    source: {},
    target: { names: FILES },
    policy: {},
    key: (number) => `a/../${number}`,
    name: (number) => `a/%2E%2E/${number}`,
  },
  'a target that does not tell case apart': {
    kind: 'mapped',
    source: {},
    target: { names: { ...ALL_NAMES, caseSensitive: false } },
    policy: {},
    key: (number) => `A-${number}`,
    name: (number) => `A-${number}`,
  },
  restores: {
    kind: 'restores',
    source: { restoreMs: RESTORE_MS },
    target: {},
    policy: { archived: { tier: 'Bulk', days: 3 } },
    key: (number) => `ice-${number}`,
    name: (number) => `ice-${number}`,
  },
};

const numbers = Array.from({ length: COUNT }, (_, i) => String(i).padStart(4, '0'));

async function open(
  phase: Phase,
  target: Partial<MemoryBehaviour>,
  telling: Partial<MemoryBehaviour> = {},
): Promise<Fleet> {
  const source = { ...SILENT, ...phase.source, ...telling };
  const fleet = await openFleet({ source, target: { ...SILENT, ...phase.target, ...target } });
  const seed = { ...(phase.kind === 'restores' ? COLD : {}), modifiedAtMs: 1_000 };
  for (const number of numbers) fleet.source.put('in', phase.key(number), `content ${number}`, seed);
  await fleet.clock.advance(24 * 3_600_000);
  return fleet;
}

/** One has written half of it all and is gone; another one goes on. What happens in between is done by `meanwhile`. */
async function loseOne(fleet: Fleet, phase: Phase, meanwhile: () => void = () => undefined): Promise<void> {
  let written = 0;
  fleet.target.hooks.after = (operation) => void (written += operation === 'PUT' ? 1 : 0);
  const victim = fleet.join('w1');
  await fleet.until(() => written >= COUNT / 2);
  victim.tether.kill();
  const worked = (await fleet.store.segments(RUN_ID)).filter(({ kind }) => kind === phase.kind);
  expect(worked.map(({ state }) => state)).toEqual(['open']);
  // Otherwise it was not about anything.
  expect(worked[0]?.counters.items.scanned).toBeLessThan(COUNT / 4);
  // What a store cannot know: that it is this run which has written it.
  const container = fleet.target.ensure('out');
  for (const key of fleet.target.keys('out')) container.amend(container.current(key)!, { writer: null });
  meanwhile();
  await fleet.ended(fleet.join('w2'));
}

async function mustBeProved(fleet: Fleet, phase: Phase): Promise<void> {
  const run = await fleet.store.getRun(RUN_ID);
  if (run === null) throw new Error('the run is gone');
  expect(run.counters.items.copied).toBe(COUNT);
  await mustHaveAll(fleet, phase);
}

async function mustHaveAll(fleet: Fleet, phase: Phase): Promise<void> {
  const run = await fleet.store.getRun(RUN_ID);
  if (run === null) throw new Error('the run is gone');
  expect(run.counters).toMatchObject({ sameWeak: 0, verification: { V0: 0 }, items: { scanned: COUNT, failed: 0 } });
  expect(run.state).toBe('succeeded');
  sumsAgree({ run }, await fleet.items());
  for (const number of numbers) expect(fleet.target.text('out', phase.name(number))).toBe(`content ${number}`);
}

describe.each(Object.entries(PHASES))('%s', (_, phase) => {
  const cases = [
    ['merge', { keepsSourceTime: true }],
    ['merge', { keepsSourceTime: false }],
    ['mirror', { keepsSourceTime: true }],
    ['mirror', { keepsSourceTime: false }],
  ] as const;

  test.each(cases)('what it moved and could not record: %s, %j', async (mode, target) => {
    await using fleet = await open(phase, target);
    await fleet.queue({ ...phase.policy, mode });
    await loseOne(fleet, phase);
    await mustBeProved(fleet, phase);
  });

  test.each(cases)('also where it replaced what had been there: %s, %j', async (mode, target) => {
    await using fleet = await open(phase, target);
    for (const number of numbers) fleet.target.put('out', phase.name(number), 'something else', { modifiedAtMs: 500 });
    await fleet.queue({ ...phase.policy, mode, deleteMax: null, deleteShareMax: null });
    await loseOne(fleet, phase);
    await mustBeProved(fleet, phase);
  });

  test('of which the size was to be enough', async () => {
    await using fleet = await open(phase, { keepsSourceTime: true });
    await fleet.queue({ ...phase.policy, acceptV0: true });
    await loseOne(fleet, phase);
    const run = await fleet.store.getRun(RUN_ID);
    expect(run).toMatchObject({ state: 'succeeded', counters: { items: { failed: 0, scanned: COUNT } } });
  });
});

test.each(['keys', 'mapped'] as const)(
  'what was to be read back and may not have been is read now: %s',
  async (kind) => {
    const [, mapped] = Object.values(PHASES) as [Phase, Phase];
    const phase: Phase = kind === 'mapped' ? mapped : { ...mapped, kind: 'keys', target: {} };
    await using fleet = await open(phase, { listedDigests: ['md5'] }, { listedDigests: ['md5'] });
    await fleet.queue({ verify: 'read-back' });
    const read = new Set<string>();
    let wrong = '';
    await loseOne(fleet, phase, () => {
      const container = fleet.target.ensure('out');
      wrong = fleet.target.keys('out')[0] as string;
      // Other bytes than the store says.
      container.amend(container.current(wrong)!, { content: Buffer.from('CONTENT 0000') });
      fleet.target.hooks.before = (operation, key) => void (operation === 'GET' && read.add(key));
    });
    await mustHaveAll(fleet, phase);
    expect(wrong).not.toBe('');
    expect(read.size).toBeGreaterThanOrEqual(COUNT / 2);
    const log = await fleet.items();
    const { result, code } = log.find(({ key }) => key === wrong) ?? {};
    expect([result, code]).toEqual(['copied', 'changed']);
    expect(log.filter((one) => one.result === 'same').every((one) => one.code === 'same-digest')).toBe(true);
  },
);

test('what nobody held before is not asked for again', async () => {
  const phase = PHASES['names that the target cannot hold'] as Phase;
  await using fleet = await open(phase, { keepsSourceTime: true });
  await fleet.queue({ mode: 'mirror' });
  // Lost while it lists: nothing was moved yet.
  const victim = fleet.join('w1');
  victim.tether.onCall = (name) => (name === 'scan' ? victim.tether.kill() : undefined);
  await fleet.until(() => victim.tether.isDead);
  let heads = 0;
  fleet.target.hooks.before = (operation) => void (heads += operation === 'HEAD' ? 1 : 0);
  await fleet.ended(fleet.join('w2'));
  expect(fleet.leases.takeovers).toBe(1);
  await mustBeProved(fleet, phase);
  expect(heads).toBe(0);
});

test('what somebody else put there while a restore was awaited is not replaced, also after a loss', async () => {
  const phase = PHASES['restores'] as Phase;
  await using fleet = await open(phase, { keepsSourceTime: false });
  const { startedAtMs } = await fleet.queue(phase.policy);
  const [first = '', second = ''] = [phase.name('0150'), phase.name('0151')];
  await loseOne(fleet, phase, () => {
    expect(fleet.target.keys('out').filter((key) => [first, second].includes(key))).toEqual([]);
    fleet.target.put('out', first, 'of another length', { modifiedAtMs: fleet.clock.now() });
    // As long, and from before the run.
    fleet.target.put('out', second, 'CONTENT 0151', { modifiedAtMs: startedAtMs - 3_600_000 });
  });
  expect(fleet.target.text('out', first)).toBe('of another length');
  expect(fleet.target.text('out', second)).toBe('CONTENT 0151');
  const failed = (await fleet.items()).filter(({ result }) => result === 'failed');
  expect(failed.map(({ key, code }) => [key, code])).toEqual([
    [first, 'ALREADY_EXISTS'],
    [second, 'ALREADY_EXISTS'],
  ]);
});
