import { expect, test } from 'vitest';
import { FakeClock } from '../lib/fake-world.ts';
import { DroverError } from '../model/errors.ts';
import { Denials, type AskRights } from './denials.ts';
import { DENIED_IN_A_ROW } from './limits.ts';

const denied = (): DroverError => new DroverError('PERMISSION_DENIED', 'No.');

async function deny(denials: Denials): Promise<DroverError> {
  const error = denied();
  await denials.watch('source', 'read', 'read', () => Promise.reject(error)).catch(() => undefined);
  return error;
}

test.each(['finds nothing', 'fails'])(
  'a look at the rights that is broken off and %s says nothing; whoever else waits for it looks himself',
  async (how) => {
    const one = new AbortController();
    const other = new AbortController();
    const looks: AbortSignal[] = [];
    const begun = Promise.withResolvers<void>();
    const refusal = new DroverError('PERMISSION_DENIED', 'The source does not let Drover read any more.');
    const ask: AskRights = async (_side, _need, signal) => {
      looks.push(signal);
      if (signal !== one.signal) return refusal;
      begun.resolve();
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
      if (how === 'fails') throw new DroverError('CANCELLED', 'It was stopped.');
      return null;
    };
    const denials = new Denials(new FakeClock(), ask);
    const errors = [];
    for (let at = 0; at < DENIED_IN_A_ROW; at++) errors.push(await deny(denials));
    const stopped = denials.judge(errors[0]!, one.signal).catch((thrown: DroverError) => thrown.code);
    const waiting = denials.judge(errors[1]!, other.signal);
    await begun.promise;
    one.abort();
    expect(await stopped).toBe('CANCELLED');
    expect(await waiting).toBe(refusal);
    expect(looks).toEqual([one.signal, other.signal]);
  },
);
