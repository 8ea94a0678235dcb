import { describe, expect, test } from 'vitest';
import { FakeClock, seededRandom } from '../lib/fake-world.ts';
import { DroverError, type ErrorCode } from '../model/errors.ts';
import { noteSide, sideOf } from './failure-facts.ts';
import { PLACE_LOOK_EVERY_MS, PLACE_LOOK_THROTTLED_MS_MAX } from './limits.ts';
import { Places } from './places.ts';

const { signal } = new AbortController();

type Code = ErrorCode | null;
type Side = 'source' | 'target';

/** `answers`: of all looks at that side, or of one after the other (the last one stays). */
function open(
  answers: Partial<Record<Side, Code | Code[]>> = {},
  wait = (_: AbortSignal): Promise<void> => Promise.resolve(),
) {
  const clock = new FakeClock();
  const looks: string[] = [];
  const nextOf = (side: Side): Code => {
    const all = answers[side] ?? null;
    if (!Array.isArray(all)) return all;
    return (all.length > 1 ? all.shift() : all[0]) ?? null;
  };
  const lister = (side: Side) => ({
    async *scan(_: unknown, stop: AbortSignal) {
      looks.push(side);
      await wait(stop);
      const code = nextOf(side);
      if (code !== null) throw new DroverError(code, `The ${side} says ${code}.`);
      yield { entries: [], cursor: null, complete: true };
    },
  });
  const worldOf = () => ({ clock, random: seededRandom(1) });
  const places = new Places({ source: lister('source'), target: lister('target') }, clock, worldOf);
  const judge = (code: ErrorCode, side: Side | null, own = signal) => clock.run(places.judge(failed(code, side), own));
  return { clock, looks, answers, places, judge };
}

function failed(code: ErrorCode, side: 'source' | 'target' | null): DroverError {
  const error = new DroverError(code, 'It failed.');
  if (side !== null) noteSide(error, side);
  return error;
}

describe('an object that fails', () => {
  test.each([
    ['NOT_FOUND', 'source', ['source']],
    ['CHANGED', 'target', ['target']],
    ['UPLOAD_LOST', null, ['source', 'target']],
    ['PERMISSION_DENIED', 'target', []],
    ['TOO_LARGE', 'target', []],
    ['CORRUPTED', null, []],
  ] as const)('with %s at %s: looked at is %j', async (code, side, looked) => {
    const { places, looks } = open();
    expect(await places.judge(failed(code, side), signal)).toBeNull();
    expect(looks).toEqual(looked);
  });

  test('because its place is gone ends the run with that, and knows the side', async () => {
    const { places, looks } = open({ target: 'PLACE_NOT_FOUND' });
    const error = await places.judge(failed('CHANGED', 'target'), signal);
    expect([error?.code, sideOf(error)]).toEqual(['PLACE_NOT_FOUND', 'target']);
    expect(await places.judge(failed('NOT_FOUND', 'target'), signal)).toBe(error);
    expect(looks).toHaveLength(1);
  });

  test.each([
    ['UNAUTHENTICATED', 'UNAUTHENTICATED'],
    ['UNREACHABLE', 'UNREACHABLE'],
    ['PERMISSION_DENIED', null],
    ['UNAVAILABLE', null],
    ['THROTTLED', null],
  ] as const)('and whose place answers %s: %s', async (answer, expected) => {
    const { places, judge, clock } = open({ source: answer });
    expect((await judge('NOT_FOUND', 'source'))?.code ?? null).toBe(expected);
    // At the end nothing is left to do: only what is gone counts then.
    await clock.run(places.demand('source', signal));
  });

  test.each(['UNREACHABLE', 'CREDENTIALS_EXPIRED', 'CLOCK_SKEW', 'UNAVAILABLE', 'THROTTLED'] as const)(
    'and whose place answers %s once: it is asked again',
    async (answer) => {
      const { judge, looks, answers, places, clock } = open({
        source: [answer, null],
        target: [answer, 'PLACE_NOT_FOUND'],
      });
      expect(await judge('NOT_FOUND', 'source')).toBeNull();
      expect(await judge('CHANGED', 'target')).toMatchObject({ code: 'PLACE_NOT_FOUND' });
      expect(looks).toEqual(['source', 'source', 'target', 'target']);
      answers.source = [answer, 'PLACE_NOT_FOUND'];
      await expect(clock.run(places.demand('source', signal))).rejects.toMatchObject({ code: 'PLACE_NOT_FOUND' });
    },
  );

  test('while somebody else who looks is told to stop: looks himself', async () => {
    const { places, looks } = open({ source: 'PLACE_NOT_FOUND' }, (stop) =>
      stop === signal
        ? Promise.resolve()
        : new Promise((_, reject) => {
            stop.addEventListener('abort', () => reject(new DroverError('CANCELLED', 'It was stopped.')));
          }),
    );
    const other = new AbortController();
    const first = places.judge(failed('NOT_FOUND', 'source'), other.signal);
    const second = places.judge(failed('NOT_FOUND', 'source'), signal);
    other.abort();
    expect(await first).toBeNull();
    expect(await second).toMatchObject({ code: 'PLACE_NOT_FOUND' });
    expect(looks).toHaveLength(2);
  });

  test('where a look takes long: most of the time nobody looks', async () => {
    const { clock, looks, judge } = open({}, () => clock.sleep(5_000));
    await judge('NOT_FOUND', 'source');
    await clock.advance(44_000);
    await judge('NOT_FOUND', 'source');
    expect(looks).toHaveLength(1);
    await clock.advance(2_000);
    await judge('NOT_FOUND', 'source');
    expect(looks).toHaveLength(2);
  });

  test('costs one look for many, and another one later', async () => {
    const { places, looks, clock, answers } = open();
    const many = (): Promise<unknown> =>
      Promise.all(Array.from({ length: 50 }, () => places.judge(failed('NOT_FOUND', 'source'), signal)));
    await many();
    expect(looks).toEqual(['source']);
    await clock.advance(PLACE_LOOK_EVERY_MS);
    answers.source = 'PLACE_NOT_FOUND';
    expect(await places.judge(failed('NOT_FOUND', 'source'), signal)).toMatchObject({ code: 'PLACE_NOT_FOUND' });
    expect(looks).toHaveLength(2);
  });
});

test('whoever demands a place looks at once, however lately somebody has looked', async () => {
  const { places, looks, answers } = open();
  await places.judge(failed('NOT_FOUND', 'target'), signal);
  await places.demand('target', signal);
  expect(looks).toHaveLength(2);
  answers.target = 'PLACE_NOT_FOUND';
  await expect(places.demand('target', signal)).rejects.toMatchObject({ code: 'PLACE_NOT_FOUND' });
});

test.each([
  ['UNREACHABLE', 'UNREACHABLE'],
  ['UNAVAILABLE', 'UNAVAILABLE'],
  ['THROTTLED', 'THROTTLED'],
  ['PLACE_NOT_FOUND', 'PLACE_NOT_FOUND'],
  ['PERMISSION_DENIED', null],
  [null, null],
] as const)('whoever demands an answer, as before a deletion, and gets %s: %s', async (answer, expected) => {
  const { places, clock } = open({ source: answer });
  const told = places.demandAnswer('source', signal).then(
    () => null,
    (thrown: DroverError) => thrown.code,
  );
  expect(await clock.run(told)).toBe(expected);
});

test('whoever demands an answer waits for it as long as for any other one', async () => {
  const { places, clock } = open({ source: [...Array.from({ length: 40 }, () => 'THROTTLED' as const), null] });
  await clock.run(places.demandAnswer('source', signal));
  expect(clock.monotonic()).toBeGreaterThan(PLACE_LOOK_THROTTLED_MS_MAX);
});
