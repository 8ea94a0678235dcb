import { describe, expect, test } from 'vitest';
import { FakeClock } from '../lib/fake-world.ts';
import { DroverError, type ErrorCode } from '../model/errors.ts';
import { noteSide, sideOf } from './failure-facts.ts';
import { PLACE_LOOK_EVERY_MS } from './limits.ts';
import { Places } from './places.ts';

const { signal } = new AbortController();

function open(answers: Partial<Record<'source' | 'target', ErrorCode | null>> = {}) {
  const clock = new FakeClock();
  const looks: string[] = [];
  const lister = (side: 'source' | 'target') => ({
    async *scan() {
      looks.push(side);
      await Promise.resolve();
      const code = answers[side] ?? null;
      if (code !== null) throw new DroverError(code, `The ${side} says ${code}.`);
      yield { entries: [], cursor: null, complete: true };
    },
  });
  return { clock, looks, answers, places: new Places({ source: lister('source'), target: lister('target') }, clock) };
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
  ] as const)('and whose place answers %s: %s', async (answer, expected) => {
    const { places } = open({ source: answer });
    expect((await places.judge(failed('NOT_FOUND', 'source'), signal))?.code ?? null).toBe(expected);
    // At the end nothing is left to do: only what is gone counts then.
    await places.demand('source', signal);
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
