/** A server's clock that jumps by a day: nobody is signed in for longer, and nobody is signed out for good. */
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../lib/system.ts';
import type { Actor } from '../entities.ts';
import type { SignIn } from '../services.ts';
import { openTestWorld, type TestWorld } from '../testing.ts';
import { actorOf } from './people.ts';
import { openSignIn } from './sign-in.ts';
import { openTokens } from './tokens.ts';

const DAY_MS = 86_400_000;
const PASSWORD = 'correct horse battery';
const ANA = { email: 'ana@acme.example', password: PASSWORD, address: '10.0.0.1', userAgent: 'a browser' };

let jumpMs = 0;
let world: TestWorld;
let signIn: SignIn;
let actor: Actor;

beforeAll(async () => {
  world = await openTestWorld({ clock: { ...systemClock, now: () => Date.now() + jumpMs } });
  signIn = openSignIn(world);
  actor = actorOf(await signIn.setUp({ token: null, email: ANA.email, name: '', password: PASSWORD }), null);
});
afterAll(() => world.close());
beforeEach(() => {
  jumpMs = 0;
});

async function enter(): Promise<string> {
  return (await signIn.withPassword(ANA)).secret;
}

describe('a session', () => {
  test('is not good while the clock is ahead of its end, and is good again when the clock is right', async () => {
    const secret = await enter();
    jumpMs = (world.settings.sessionLifetimeHours / 24 + 1) * DAY_MS;
    expect(await signIn.session(secret)).toBeNull();
    jumpMs = 0;
    expect(await signIn.session(secret)).not.toBeNull();
  });

  test('that has ended stays ended when the clock is set back', async () => {
    const secret = await enter();
    await sql`UPDATE sessions SET expires_at = clock_timestamp() - interval '1 hour'`.execute(world.db);
    expect(await signIn.session(secret)).toBeNull();
    jumpMs = -DAY_MS;
    expect(await signIn.session(secret)).toBeNull();
  });

  test('is good as before while the clock is behind', async () => {
    const secret = await enter();
    jumpMs = -DAY_MS;
    expect(await signIn.session(secret)).not.toBeNull();
    jumpMs = 0;
    expect(await signIn.session(secret)).not.toBeNull();
  });

  test('lasts no longer than a month, however often the clock jumps', async () => {
    const secret = await enter();
    for (let step = 0; step < 40; step++) {
      jumpMs = step % 2 === 0 ? DAY_MS / 2 : -DAY_MS;
      await signIn.session(secret);
    }
    jumpMs = 0;
    const { rows } = await sql<{ days: number }>`
      SELECT extract(epoch FROM max(expires_at - created_at))::double precision / 86400 AS days FROM sessions`.execute(
      world.db,
    );
    expect(rows[0]?.days).toBeLessThanOrEqual(30);
  });
});

test('a token is good until its end, by the clock as it is, and is spent by no jump', async () => {
  const expiresAt = new Date(Date.now() + DAY_MS / 2).toISOString();
  const { secret } = await openTokens(world).create(actor, { name: 'ci', role: 'viewer', expiresAt });
  const isGood: boolean[] = [];
  for (const days of [0, 1, 0, -1, 0]) {
    jumpMs = days * DAY_MS;
    isGood.push((await signIn.token(secret, null)) !== null);
  }
  expect(isGood).toEqual([true, false, true, true, true]);
});
