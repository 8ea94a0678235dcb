import { expect, test } from 'vitest';
import { DroverError } from '../model/errors.ts';
import { startAgain, STARTS_MAX } from './start-again.ts';

const away = (): DroverError => new DroverError('DATABASE_UNAVAILABLE', 'The database is away.');

interface Tried {
  readonly starts: number;
  readonly said: readonly string[];
  readonly thrown: unknown;
}

/** The n-th start does what the n-th of these says; the last of them from then on. */
async function tried(
  starts: readonly ((onReady: () => void) => void)[],
  signal = new AbortController().signal,
): Promise<Tried> {
  const said: string[] = [];
  let at = 0;
  const once = async (onReady: () => void): Promise<void> => starts[Math.min(at++, starts.length - 1)]!(onReady);
  const thrown = await startAgain(once, {
    clock: { sleep: async () => undefined },
    signal,
    say: async (words) => void said.push(words),
  }).catch((error: unknown) => error);
  return { starts: at, said, thrown };
}

const dies = (): never => {
  throw away();
};
/** As the driver says it when the other side is gone. */
const isReset = (): never => {
  throw Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' });
};
/** Letting go of what was open fails as well, of each part on its own. */
const diesTwiceOver = (): never => {
  throw new SuppressedError(new Error('b'), new SuppressedError(new Error('a'), away()));
};
const works = (onReady: () => void): void => {
  onReady();
};

test.each([
  ['as Drover says it', dies],
  ['as the driver says it', isReset],
  ['under failures of letting go', diesTwiceOver],
])('a database that dies before the server is ready: begins anew and says so, %s', async (_name, death) => {
  const { starts, said, thrown } = await tried([death, death, works]);
  expect(thrown).toBeUndefined();
  expect(starts).toBe(3);
  expect(said).toHaveLength(2);
  expect(said[0]).toContain('The start begins anew.');
});

test('a database that dies at every start ends it after some', async () => {
  const { starts, said, thrown } = await tried([dies]);
  expect(starts).toBe(STARTS_MAX);
  expect(said).toHaveLength(STARTS_MAX - 1);
  expect(thrown).toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
});

test('what is lost once the server was ready is not begun anew', async () => {
  const { starts, thrown } = await tried([
    (onReady) => {
      onReady();
      dies();
    },
  ]);
  expect(starts).toBe(1);
  expect(thrown).toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
});

test('whoever told it to stop meets no new start', async () => {
  const { starts, thrown } = await tried([dies], AbortSignal.abort());
  expect(starts).toBe(1);
  expect(thrown).toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
});

test('any other failure is told at once', async () => {
  const { starts, said, thrown } = await tried([
    () => {
      throw new DroverError('SERVER_BUSY', 'Port 1 is in use.');
    },
  ]);
  expect(starts).toBe(1);
  expect(said).toEqual([]);
  expect(thrown).toMatchObject({ code: 'SERVER_BUSY' });
});
