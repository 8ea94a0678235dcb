import { expect, test } from 'vitest';
import { systemClock } from '../lib/system.ts';
import { inTime } from './in-time.ts';

const LIMIT = { limitMs: 30, what: 'The store has not answered' };
const never = new AbortController().signal;
const hanging = (): Promise<never> => new Promise(() => undefined);

test('what ends in time is as it was, also where it fails', async () => {
  await expect(inTime(systemClock, LIMIT, never, async () => 5)).resolves.toBe(5);
  await expect(inTime(systemClock, LIMIT, never, async () => Promise.reject(new Error('no')))).rejects.toThrow('no');
});

test('what ignores its signal is left alone when its time is over', async () => {
  let told: AbortSignal | null = null;
  const work = inTime(systemClock, LIMIT, never, (signal) => {
    told = signal;
    return hanging();
  });
  await expect(work).rejects.toMatchObject({
    code: 'UNREACHABLE',
    message: expect.stringContaining('has not answered'),
  });
  expect(told).toMatchObject({ aborted: true });
});

test('what listens to its signal may say how it ended', async () => {
  const work = inTime(systemClock, { ...LIMIT, graceMs: 5_000 }, never, (signal) => {
    return new Promise((resolve) => signal.addEventListener('abort', () => resolve('tidied up')));
  });
  await expect(work).resolves.toBe('tidied up');
});

test('what somebody stops is cancelled, also where it hangs', async () => {
  const stopper = new AbortController();
  const work = inTime(systemClock, { ...LIMIT, limitMs: 60_000 }, stopper.signal, hanging);
  stopper.abort();
  await expect(work).rejects.toMatchObject({ code: 'CANCELLED' });
});
