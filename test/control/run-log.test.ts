/** The log of a run explains the run: who worked on it, what it did when, what held it back, and what did not make it. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openLogs } from '../../src/control/logs/service.ts';
import { openRuns } from '../../src/control/runs/service.ts';
import type { RunLogLine } from '../../src/control/entities.ts';
import { sayLimit } from '../../src/control/fleet/run-log.ts';
import { fleetWorld } from '../../src/control/fleet/parts.ts';
import { DroverError, ERRORS } from '../../src/model/errors.ts';
import { ALL_NAMES } from '../../src/model/names.ts';
import { REASONS } from '../../src/model/reasons.ts';
import { RUN_LOG_CODES } from '../../src/model/run-log-codes.ts';
import { openFleetTest, SHORT, type FleetTest } from './fleet-world.ts';
import { PERSON, rowOpener } from './made.ts';

let fleet: FleetTest;

beforeEach(async () => {
  fleet = await openFleetTest();
});
afterEach(() => fleet[Symbol.asyncDispose]());

const ENDED = ['succeeded', 'completed-with-issues', 'failed', 'cancelled'] as const;

async function linesOf(runId: string): Promise<readonly RunLogLine[]> {
  const page = await openLogs(fleet.world).lines(PERSON, runId, { limit: 1_000 });
  return page.items;
}

/** Orders and starts are told through the service, as on a server. */
function runsOf() {
  const { append } = openLogs(fleet.world);
  return openRuns(fleet.world, { preflight: async () => fleet.preflight, append });
}

const NEVER = new AbortController().signal;

test('of a mirror tells who came, each phase in its order, and the sums; each line with a code of a table', async () => {
  const job = await fleet.job({
    objects: 30,
    settings: { mode: 'mirror' },
    targetBehaviour: { names: { ...ALL_NAMES, emptySegments: false } },
  });
  job.from.put('box', 'a//b', 'x');
  job.to.put('box', 'zz/extra', 'x');
  const { id } = await runsOf().start(PERSON, job.jobId, { kind: 'transfer', trigger: 'person' }, NEVER);
  await fleet.worker('one');
  await fleet.until(id, ...ENDED);
  const lines = await linesOf(id);
  expect(lines.map(({ code }) => code)).toEqual([
    'STARTED',
    'WORKER_JOINED',
    'LISTING',
    'LISTED',
    'COPIED',
    'NAMES',
    'DELETING',
    'SETTLING',
    'SUMS',
    'COMPLETE',
  ]);
  const messageOf = (code: string) => lines.find((line) => line.code === code)?.message ?? '';
  expect(messageOf('WORKER_JOINED')).toContain('one');
  expect(messageOf('LISTED')).toContain('30 objects');
  expect(messageOf('SUMS')).toContain('31 objects looked at: 31 transferred');
  expect(messageOf('SUMS')).toContain('1 deleted at the target');
  expect(lines.at(-1)?.storageMoverCodes).toEqual(['AZSM0000']);
  const known = { ...ERRORS, ...REASONS, ...RUN_LOG_CODES };
  expect(lines.filter(({ code }) => code === null || !Object.hasOwn(known, code))).toEqual([]);
});

test('has a line for each code at the end, with its count and what to do', async () => {
  const job = await fleet.job({ objects: 12 });
  job.from.hooks.reading = (key, content) => (key < 'k/000003' ? content.subarray(1) : content);
  job.from.hooks.before = (operation, key) => {
    if (operation === 'GET' && key === 'k/000005') throw new DroverError('PERMISSION_DENIED', 'Not this one.');
  };
  const { id } = await fleet.start(job);
  await fleet.worker('one');
  await fleet.until(id, ...ENDED);
  const lines = (await linesOf(id)).slice(-4);
  expect(lines.map(({ level, code }) => `${level} ${code}`)).toEqual([
    'info SUMS',
    'warn EARLY_END',
    'warn PERMISSION_DENIED',
    'warn COMPLETE_WITH_ISSUES',
  ]);
  expect(lines[1]?.message).toBe(`3 objects failed with EARLY_END. ${ERRORS.EARLY_END.remedy}`);
  expect(lines[2]?.message).toMatch(/^1 object failed with PERMISSION_DENIED\. /);
  // Of items, not of the run.
  expect(lines[2]?.storageMoverCodes).toEqual(['AZSM2062', 'AZSM2069']);
});

test('of a run that failed has what it came to before, and why it ended', async () => {
  const job = await fleet.job({ objects: 0, settings: { mode: 'mirror' } });
  job.to.put('box', 'kept', 'x');
  const { id } = await fleet.start(job);
  await fleet.worker('one');
  expect((await fleet.until(id, ...ENDED)).state).toBe('failed');
  const lines = (await linesOf(id)).slice(-2);
  expect(lines.map(({ level, code }) => `${level} ${code}`)).toEqual(['info SUMS', 'error GUARD_EMPTY_SOURCE']);
});

describe('who comes and goes', () => {
  test('is told once for each phase, however many workers there are, and with those who left before the end', async () => {
    const job = await fleet.job({ objects: 3_000, slowMs: 60, limits: { transfersMax: 8 } });
    const one = await fleet.worker('one');
    const { id } = await fleet.start(job);
    await fleet.untilTrue('one is at it', async () => (await linesOf(id)).some(({ code }) => code === 'LISTING'));
    await fleet.worker('two');
    await fleet.untilTrue('two is at it', async () =>
      (await linesOf(id)).some(({ message }) => message.includes('two')),
    );
    await one.drain();
    job.from.hooks.before = null;
    await fleet.until(id, ...ENDED);
    const lines = await linesOf(id);
    const count = (code: string) => lines.filter((line) => line.code === code).length;
    expect([
      count('WORKER_JOINED'),
      count('WORKER_LEFT'),
      count('LISTING'),
      count('LISTED'),
      count('SETTLING'),
    ]).toEqual([2, 1, 1, 1, 1]);
    expect(lines.find(({ code }) => code === 'WORKER_LEFT')?.message).toContain('one');
  });

  test('orders are told with whose they are', async () => {
    const job = await fleet.job({ objects: 3 });
    const runs = runsOf();
    const { id } = await runs.start(PERSON, job.jobId, { kind: 'transfer', trigger: 'person' }, NEVER);
    await runs.pause(PERSON, id);
    await runs.resume(PERSON, id);
    await runs.cancel(PERSON, id);
    const told = (await linesOf(id)).map(({ code, message }) => `${code}: ${message}`);
    expect(told).toEqual([
      `STARTED: Started by ${PERSON.name}.`,
      `PAUSED: Paused by ${PERSON.name}.`,
      `RESUMED: Resumed by ${PERSON.name}.`,
      `CANCELLED: Canceled by ${PERSON.name}.`,
    ]);
  });
});

test('what holds it back is told when it lasts, when it changes, and when it is over; never without end', async () => {
  const { id } = await fleet.start(await fleet.job({ objects: 1 }));
  const world = fleetWorld(fleet.world, {
    openConnector: rowOpener(fleet.world),
    reportHealth: async () => undefined,
    append: async () => undefined,
    timing: { ...SHORT, limitSaidAfterMs: 60_000 },
  });
  const now = new Date();
  const say = (kind: 'target' | 'latency' | 'none' | 'listing', forMs: number) =>
    sayLimit(world, id, { kind, text: `It is ${kind}.`, since: new Date(now.getTime() - forMs).toISOString() }, now);
  await say('none', 90_000);
  await say('target', 10_000);
  expect(await linesOf(id)).toEqual([]);
  await say('target', 61_000);
  await say('target', 63_000);
  await say('none', 10_000);
  await say('latency', 70_000);
  await say('none', 70_000);
  expect((await linesOf(id)).map(({ code, message }) => `${code}: ${message}`)).toEqual([
    'LIMITED_TARGET: It is target.',
    'LIMITED_LATENCY: It is latency.',
    'LIMITED_NO_MORE: Nothing in particular holds it back any more.',
  ]);
  for (let round = 0; round < 80; round++) for (const kind of ['target', 'latency'] as const) await say(kind, 61_000);
  const lines = await linesOf(id);
  expect(lines.length).toBeLessThanOrEqual(101);
  expect(lines.at(-1)?.message).toContain('No more of this is logged');
});
