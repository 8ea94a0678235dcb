/** What is one object's lock, and what is a right that is gone for all: by the order in which answers come. */
import { describe, expect, test } from 'vitest';
import { Denials, rightsOf, type AskRights } from '../../src/engine/denials.ts';
import { DENIED_IN_A_ROW, DENIED_WAIT_MS } from '../../src/engine/limits.ts';
import type { Account, CheckLine } from '../../src/contract/provider.ts';
import { DEFAULT_POLICY } from '../../src/model/policy.ts';
import { DroverError } from '../../src/model/errors.ts';
import { simClock } from '../../src/sim/world.ts';

const { signal } = new AbortController();
const GONE = new DroverError('PERMISSION_DENIED', 'The place is closed.');

function bench(verdict: () => DroverError | null) {
  const clock = simClock();
  const looks: string[] = [];
  const ask: AskRights = async (side, need) => {
    looks.push(`${side} ${need}`);
    return verdict();
  };
  const denials = new Denials(clock, ask);
  const read = (work: () => Promise<unknown>) => denials.watch('source', 'read', 'read', work);
  const deny = async (): Promise<DroverError> => {
    const error = new DroverError('PERMISSION_DENIED', 'Denied.');
    await read(() => Promise.reject(error)).catch(() => undefined);
    return error;
  };
  return { clock, looks, denials, read, deny, judge: (error: DroverError) => denials.judge(error, signal) };
}

describe('denials', () => {
  test('in a row are looked at once, and all of them are the place', async () => {
    const { deny, judge, looks } = bench(() => GONE);
    const errors = [];
    for (let at = 0; at < DENIED_IN_A_ROW; at++) errors.push(await deny());
    expect(await Promise.all(errors.map(judge))).toEqual(errors.map(() => GONE));
    expect(looks).toEqual(['source read']);
    expect(await judge(await deny())).toBe(GONE);
    expect(looks).toHaveLength(1);
  });

  test('wait until there are enough of them', async () => {
    const { deny, judge } = bench(() => GONE);
    const first = judge(await deny());
    let isKnown = false;
    void first.then(() => void (isKnown = true));
    for (let at = 2; at < DENIED_IN_A_ROW; at++) await deny();
    await Promise.resolve();
    expect(isKnown).toBe(false);
    await deny();
    expect(await first).toBe(GONE);
  });

  test('are the object’s own when the same kind of request succeeds that was begun after them', async () => {
    const { deny, judge, read, looks } = bench(() => GONE);
    const earlier = Promise.withResolvers<void>();
    const running = read(() => earlier.promise);
    const judged = judge(await deny());
    // Begun before: its success says nothing of what is allowed now.
    earlier.resolve();
    await running;
    await read(() => Promise.resolve());
    expect(await judged).toBeNull();
    expect(looks).toEqual([]);
  });

  test('a success that was begun before them does not clear them', async () => {
    const { deny, judge, read, clock, looks } = bench(() => GONE);
    const earlier = Promise.withResolvers<void>();
    const running = read(() => earlier.promise);
    const judged = judge(await deny());
    earlier.resolve();
    await running;
    clock.advance(DENIED_WAIT_MS);
    expect(await judged).toBe(GONE);
    expect(looks).toHaveLength(1);
  });

  test('a success of another kind, or at the other side, does not clear them', async () => {
    const { deny, judge, denials, clock } = bench(() => GONE);
    const judged = judge(await deny());
    await denials.watch('target', 'write', 'write', async () => undefined);
    await denials.watch('source', 'tags', 'read', async () => undefined);
    clock.advance(DENIED_WAIT_MS);
    expect(await judged).toBe(GONE);
  });

  test('that the place has not made are looked at less and less, until something succeeds', async () => {
    const { deny, judge, read, looks, clock } = bench(() => null);
    for (let at = 0; at < 100; at++) {
      const judged = judge(await deny());
      clock.advance(DENIED_WAIT_MS);
      expect(await judged).toBeNull();
    }
    expect(looks.length).toBeGreaterThan(1);
    expect(looks.length).toBeLessThan(8);
    await read(() => Promise.resolve());
    const judged = judge(await deny());
    clock.advance(DENIED_WAIT_MS);
    await judged;
    expect(looks.length).toBeLessThan(9);
  });

  test('of what nobody watches are the item’s own', async () => {
    const { judge } = bench(() => GONE);
    expect(await judge(new DroverError('PERMISSION_DENIED', 'Elsewhere.'))).toBeNull();
    const alone = new Denials(simClock(), null);
    const error = new DroverError('PERMISSION_DENIED', 'Denied.');
    await alone.watch('source', 'read', 'read', () => Promise.reject(error)).catch(() => undefined);
    expect(await alone.judge(error, signal)).toBeNull();
  });
});

describe('the check of a side', () => {
  const line = (what: CheckLine['what'], result: CheckLine['result']): CheckLine => ({
    what,
    result,
    message: `${what} is ${result}.`,
    field: null,
    remedy: `Grant ${what}.`,
  });
  const askWith = (...lines: CheckLine[]): AskRights => {
    const check = async function* (): AsyncGenerator<CheckLine> {
      yield* lines;
    };
    const side = { account: { check } as unknown as Account, place: { container: 'b', prefix: '' }, label: 's3:b' };
    return rightsOf({ source: side, target: side }, DEFAULT_POLICY, 'Then go on.');
  };

  test.each([
    ['read', 'read', true],
    ['read', 'list', true],
    ['read', 'write', false],
    ['write', 'write', true],
    ['write', 'tags', true],
    ['write', 'read', false],
    ['write', 'delete', false],
    ['delete', 'delete', true],
    ['write', 'identity', true],
  ] as const)('to %s, where %s is refused', async (need, what, isRefused) => {
    const refusal = await askWith(line('fact', 'ok'), line(what, 'refused'))('target', need, signal);
    if (!isRefused) return expect(refusal).toBeNull();
    expect(refusal).toMatchObject({ code: 'PERMISSION_DENIED', remedy: `Grant ${what}. Then go on.` });
    expect(refusal?.message).toContain('The target s3:b');
  });

  test('what is only unknown or warned of refuses nothing', async () => {
    expect(await askWith(line('read', 'unknown'), line('list', 'warning'))('source', 'read', signal)).toBeNull();
  });
});
