/** Passwords under load: bounded, and well again afterwards. */
import { describe, expect, test } from 'vitest';
import { checkPassword, openPasswords } from './passwords.ts';

const codeOf = (work: Promise<unknown>): Promise<unknown> =>
  work.catch((error: { code?: string }) => error.code ?? error);

describe('a flood of sign-ins', () => {
  test('is turned away beyond a bound, and afterwards all is well', async () => {
    const passwords = openPasswords();
    const flood = await Promise.all(Array.from({ length: 120 }, () => codeOf(passwords.verify(null, 'x'))));
    expect(new Set(flood)).toEqual(new Set([false, 'RATE_LIMITED']));
    expect(await passwords.verify(null, 'x')).toBe(false);
    const kept = await passwords.hash('correct horse battery');
    expect(await passwords.verify(kept, 'correct horse battery')).toBe(true);
  });

  test('that fills the queue before anybody was verified does no lasting harm', async () => {
    const passwords = openPasswords();
    const hashes = Promise.all(Array.from({ length: 60 }, () => codeOf(passwords.hash('x'))));
    expect(await codeOf(passwords.verify(null, 'x'))).toBe('RATE_LIMITED');
    await hashes;
    expect(await passwords.verify(null, 'x')).toBe(false);
  });
});

test('a hash says how it was made, and is another one each time', async () => {
  const { hash } = openPasswords();
  const [a, b] = await Promise.all([hash('correct horse battery'), hash('correct horse battery')]);
  expect(a).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
  expect(a).not.toBe(b);
});

test('the same letters typed in another way are the same password', async () => {
  const passwords = openPasswords();
  const kept = await passwords.hash('pa\u0308sswo\u0308rter');
  expect(await passwords.verify(kept, 'p\u00e4ssw\u00f6rter')).toBe(true);
  expect(await passwords.verify(kept, 'passworter')).toBe(false);
});

test('the e-mail address is no password, in whatever case', () => {
  expect(() => checkPassword(' ANA@Acme.Example ', 'ana@acme.example')).toThrow('e-mail');
  expect(() => checkPassword('twelve chars', 'ana@acme.example')).not.toThrow();
});
