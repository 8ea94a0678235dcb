import { expect, test } from 'vitest';
import type { Target } from '../contract/provider.ts';
import { FakeClock, seededRandom } from '../lib/fake-world.ts';
import { entryOf } from '../model/entry.ts';
import { DroverError } from '../model/errors.ts';
import { failedSettled } from './account.ts';
import { afterTries, atSide, contentOf, noteSide, sideOf } from './failure-facts.ts';
import { retryingTarget } from './wrap.ts';

const TIMING = { startedAtMs: 0, durationMs: 0 };

test('an error knows the side that gave it, also behind the errors that tell of it', async () => {
  const error = new DroverError('PERMISSION_DENIED', 'No.');
  await expect(atSide('target', () => Promise.reject(error))).rejects.toBe(error);
  expect(sideOf(error)).toBe('target');
  expect(sideOf(new DroverError('INTERNAL', 'Because of it.', { cause: error }))).toBe('target');
  expect(sideOf(new DroverError('CORRUPTED', 'Nobody in particular.'))).toBeNull();
});

test('content that breaks off inside of a write is the fault of whoever sent it', async () => {
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield new Uint8Array(1);
    throw new DroverError('UNREACHABLE', 'It broke off.');
  }
  const content = contentOf('source', broken());
  const write = atSide('target', async () => {
    for await (const _ of content);
  });
  expect(sideOf(await write.catch((thrown: unknown) => thrown))).toBe('source');
});

test('the first word counts also where the second one only tells of it', async () => {
  const error = new DroverError('UNREACHABLE', 'The source broke off.');
  noteSide(error, 'source');
  const told = new DroverError('UNAVAILABLE', 'The write failed.', { cause: error });
  noteSide(told, 'target');
  expect(sideOf(told)).toBe('source');
});

test.each([
  ['UNAUTHENTICATED', 'target'],
  // It may be the object of the source that is not there.
  ['NOT_FOUND', null],
] as const)('of a copy that the target makes by itself, %s is the fault of: %s', async (code, side) => {
  const fails = () => Promise.reject(new DroverError(code, 'No.'));
  const copier = { accepts: () => 'yes', copyBytesMax: 1, copy: fails, copyPart: fails };
  const inner = { facets: { serverSideCopy: copier } } as unknown as Target;
  const { serverSideCopy } = retryingTarget(inner, { clock: new FakeClock(), random: seededRandom(1) }).facets;
  const of = [] as unknown as [never, never, never, never];
  const tries = [serverSideCopy?.copy(...of), serverSideCopy?.copyPart(...of, undefined as never)];
  for (const one of tries) expect(sideOf(await one?.catch((thrown: unknown) => thrown))).toBe(side);
});

test('content that is left is closed', async () => {
  let isClosed = false;
  async function* endless(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) yield new Uint8Array(1);
    } finally {
      isClosed = true;
    }
  }
  for await (const _ of contentOf('source', endless())) break;
  expect(isClosed).toBe(true);
});

test('the record of a failed item has the side and the tries; what was never tried has none', async () => {
  const entry = entryOf({ key: 'k' });
  const error = new DroverError('PERMISSION_DENIED', 'No.');
  await atSide('target', () => Promise.reject(error)).catch(() => undefined);
  expect(failedSettled(entry, afterTries(error, 4), TIMING).records[0]).toMatchObject({ side: 'target', attempts: 4 });
  expect(failedSettled(entry, new DroverError('CHANGED', 'It moved.'), TIMING).records[0]).toMatchObject({
    attempts: 1,
  });
  const [never] = failedSettled(entry, new DroverError('UNREPRESENTABLE', 'A name.'), TIMING).records;
  expect(never).not.toHaveProperty('attempts');
  expect(never).not.toHaveProperty('side');
});
