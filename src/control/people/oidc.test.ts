/** Signing in at an identity provider, played by a small one behind the transport. */
import { createHash, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { HttpRequest, HttpResponse, OpenTransport } from '../../lib/transport.ts';
import { DroverError } from '../../model/errors.ts';
import type { NewSession, SignIn } from '../services.ts';
import type { Settings } from '../settings/settings.ts';
import { openTestWorld, type TestWorld } from '../testing.ts';
import { openPeople } from './people.ts';
import { openSignIn } from './sign-in.ts';

const ISSUER = 'https://login.example.com/realm';
const CLIENT = 'drover';
const SECRET = 'the-client-secret';
const REDIRECT = 'https://drover.example.com/api/v1/sign-in/oidc/callback';
const VISITOR = { address: '10.0.0.1', userAgent: null };

interface Claims {
  sub: string;
  email?: string;
  email_verified?: boolean;
  name?: string;
}

/** Answers discovery, keys and tokens; holds the client to PKCE, its secret, and a code that works once. */
class SmallProvider {
  readonly keys = generateKeyPairSync('rsa', { modulusLength: 2048 });
  readonly codes = new Map<string, { claims: Claims; nonce: string; challenge: string }>();
  signWith: KeyObject = this.keys.privateKey;
  audience = CLIENT;
  nonce: string | null = null;
  isGone = false;

  readonly openTransport: OpenTransport = () => ({
    send: async (request) => this.#answer(request),
    close: async () => undefined,
  });

  /** The person agrees: where the browser is sent back to. */
  agree(authorizationUrl: string, claims: Claims): string {
    const { searchParams, origin, pathname } = new URL(authorizationUrl);
    expect(`${origin}${pathname}`).toBe(`${ISSUER}/authorize`);
    expect(searchParams.get('code_challenge_method')).toBe('S256');
    const code = `code-${this.codes.size}`;
    this.codes.set(code, {
      claims,
      nonce: searchParams.get('nonce') ?? '',
      challenge: searchParams.get('code_challenge') ?? '',
    });
    return `/api/v1/sign-in/oidc/callback?code=${code}&state=${searchParams.get('state')}`;
  }

  async #answer(request: HttpRequest): Promise<HttpResponse> {
    if (this.isGone) throw new DroverError('UNREACHABLE', 'The identity provider does not answer.');
    const { path } = request;
    if (path === '/realm/.well-known/openid-configuration') {
      return json(200, {
        issuer: ISSUER,
        authorization_endpoint: `${ISSUER}/authorize`,
        token_endpoint: `${ISSUER}/token`,
        jwks_uri: `${ISSUER}/keys`,
        response_types_supported: ['code'],
        subject_types_supported: ['public'],
        id_token_signing_alg_values_supported: ['RS256'],
        code_challenge_methods_supported: ['S256'],
      });
    }
    if (path === '/realm/keys') {
      return json(200, {
        keys: [{ ...this.keys.publicKey.export({ format: 'jwk' }), kid: 'k', alg: 'RS256', use: 'sig' }],
      });
    }
    if (path === '/realm/token') return this.#token(request);
    return json(404, {});
  }

  #token(request: HttpRequest): HttpResponse {
    const form = new URLSearchParams(Buffer.from(request.body?.content as Uint8Array).toString());
    const code = form.get('code') ?? '';
    const known = this.codes.get(code);
    this.codes.delete(code);
    const challenge = createHash('sha256')
      .update(form.get('code_verifier') ?? '')
      .digest('base64url');
    const isOurs = form.get('client_id') === CLIENT && form.get('client_secret') === SECRET;
    if (known === undefined || known.challenge !== challenge || !isOurs || form.get('redirect_uri') !== REDIRECT) {
      return json(400, { error: 'invalid_grant', error_description: 'The code is not valid' });
    }
    const now = Math.floor(Date.now() / 1_000);
    const body = {
      iss: ISSUER,
      aud: this.audience,
      iat: now,
      exp: now + 300,
      nonce: this.nonce ?? known.nonce,
      ...known.claims,
    };
    return json(200, { access_token: 'a', token_type: 'Bearer', id_token: this.#jwt(body) });
  }

  #jwt(body: object): string {
    const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const text = `${part({ alg: 'RS256', kid: 'k' })}.${part(body)}`;
    return `${text}.${sign('sha256', Buffer.from(text), this.signWith).toString('base64url')}`;
  }
}

function json(status: number, value: object): HttpResponse {
  const content = Buffer.from(JSON.stringify(value));
  return {
    status,
    headers: { 'content-type': 'application/json' },
    body: (async function* () {
      yield content;
    })(),
    bytes: async () => content,
    discard: async () => undefined,
  };
}

let world: TestWorld;
let provider: SmallProvider;

beforeAll(async () => {
  world = await openTestWorld();
});
afterAll(() => world.close());
beforeEach(async () => {
  await world.db.deleteFrom('people').execute();
  await world.db.deleteFrom('sign_in_attempts').execute();
  provider = new SmallProvider();
});

function openWith(settings: Partial<Settings> = {}): SignIn {
  const oidc = { oidcIssuer: ISSUER, oidcClientId: CLIENT, oidcClientSecret: SECRET };
  return openSignIn({
    ...world,
    openTransport: provider.openTransport,
    settings: { ...world.settings, ...oidc, ...settings },
  });
}

const BEN: Claims = { sub: 'ben-1', email: 'ben@acme.example', email_verified: true, name: 'Ben' };

async function enter(signIn: SignIn, claims: Claims): Promise<NewSession> {
  const { url, state } = await signIn.beginOidc(REDIRECT);
  return signIn.finishOidc({ url: provider.agree(url, claims), state, redirectUri: REDIRECT, ...VISITOR });
}

describe('a person who is new', () => {
  test('comes in with the default role, and is the same one the next time', async () => {
    const signIn = openWith();
    expect(signIn.oidcTitle).toBe('login.example.com');
    const { person, secret } = await enter(signIn, BEN);
    expect(person).toMatchObject({ email: BEN.email, name: 'Ben', role: 'viewer', signIn: 'oidc', state: 'active' });
    expect((await signIn.session(secret))?.actor.role).toBe('viewer');
    // The address may change at the provider; who it is does not.
    const again = await enter(signIn, { ...BEN, email: 'ben.new@acme.example' });
    expect(again.person.id).toBe(person.id);
  });

  test('is no admin, even as the first of all, unless it is configured so', async () => {
    const signIn = openWith();
    await enter(signIn, BEN);
    expect(await signIn.needsSetup()).toBe(true);
    await world.db.deleteFrom('people').execute();
    const generous = openWith({ oidcDefaultRole: 'admin' });
    expect((await enter(generous, BEN)).person.role).toBe('admin');
    expect(await generous.needsSetup()).toBe(false);
  });

  test('is not taken for somebody whose address is not theirs', async () => {
    const signIn = openWith();
    await expect(enter(signIn, { ...BEN, email_verified: false })).rejects.toMatchObject({ code: 'FORBIDDEN' });
    // Providers of companies do not say anything about it.
    const { email_verified: _unsaid, ...silent } = BEN;
    await enter(signIn, silent);
    // Who it is was settled then; the address only names them.
    await enter(signIn, { ...BEN, email_verified: false });
  });

  test.each([
    [BEN, null],
    [{ ...BEN, email: 'BEN@ACME.EXAMPLE' }, null],
    [{ ...BEN, email: 'ben@other.example' }, 'FORBIDDEN'],
    [{ ...BEN, email: 'ben@sub.acme.example' }, 'FORBIDDEN'],
    [{ ...BEN, email: 'ben@evilacme.example' }, 'FORBIDDEN'],
    [{ ...BEN, email_verified: false }, 'FORBIDDEN'],
    [{ sub: 'ben-1', email: 'ben@acme.example' }, 'FORBIDDEN'],
    [{ sub: 'ben-1' }, 'NOT_SIGNED_IN'],
  ])('with domains configured, %j: %s', async (claims, code) => {
    const outcome = await enter(openWith({ oidcAllowedDomains: ['acme.example'] }), claims).then(
      () => null,
      (error: DroverError) => error.code,
    );
    expect(outcome).toBe(code);
    expect(await world.db.selectFrom('people').select('id').execute()).toHaveLength(code === null ? 1 : 0);
  });
});

describe('many who ask from one network, at several servers', () => {
  const codeOf = (work: Promise<unknown>): Promise<string | null> =>
    work.then(
      () => null,
      (error: DroverError) => error.code,
    );
  const servers = (): readonly SignIn[] => [1, 2].map(() => openWith({ signInAttemptsMax: 1 }));

  test('sign-ins that are begun and never ended have to wait; those that come to a good end do not count', async () => {
    const [one, two] = servers() as [SignIn, SignIn];
    for (let i = 0; i < 15; i++) {
      const { url, state } = await one.beginOidc(REDIRECT, VISITOR.address);
      await two.finishOidc({ url: provider.agree(url, BEN), state, redirectUri: REDIRECT, ...VISITOR });
    }
    const codes: (string | null)[] = [];
    for (let i = 0; i <= 10; i++)
      codes.push(await codeOf((i % 2 === 0 ? one : two).beginOidc(REDIRECT, VISITOR.address)));
    expect(codes).toEqual([...Array<null>(10).fill(null), 'RATE_LIMITED']);
    expect(await codeOf(one.beginOidc(REDIRECT, '203.0.113.9'))).toBeNull();
  });

  test('answers that are made up have to wait', async () => {
    const [one, two] = servers() as [SignIn, SignIn];
    const answer = { url: `${REDIRECT}?code=x&state=y`, state: 'made.up', redirectUri: REDIRECT, ...VISITOR };
    const codes: (string | null)[] = [];
    for (let i = 0; i <= 10; i++) codes.push(await codeOf((i % 2 === 0 ? one : two).finishOidc(answer)));
    expect(codes).toEqual([...Array<string>(10).fill('NOT_SIGNED_IN'), 'RATE_LIMITED']);
  });
});

describe('a person who is there', () => {
  test('and was added without a password takes that place, if the address is proved', async () => {
    const added = await openPeople(world).create(world.as('admin'), {
      email: 'Ben@acme.example',
      name: 'Ben',
      role: 'operator',
      password: null,
    });
    const signIn = openWith();
    await expect(enter(signIn, { ...BEN, email_verified: false })).rejects.toMatchObject({ code: 'FORBIDDEN' });
    const { person } = await enter(signIn, BEN);
    expect([person.id, person.role]).toEqual([added.id, 'operator']);
    const other = enter(signIn, { ...BEN, sub: 'another-ben' });
    await expect(other).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });

  test('and has a password is not taken over', async () => {
    await openPeople(world).create(world.as('admin'), {
      email: 'ben@acme.example',
      name: 'Ben',
      role: 'admin',
      password: 'correct horse battery',
    });
    await expect(enter(openWith(), BEN)).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });

  test('and was disabled stays out', async () => {
    const signIn = openWith();
    const { person } = await enter(signIn, BEN);
    await openPeople(world).update(world.as('admin'), person.id, null, { state: 'disabled' });
    await expect(enter(signIn, BEN)).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });
});

describe('an answer is refused', () => {
  const refuses = async (url: string, state: string, signIn: SignIn): Promise<void> => {
    const call = signIn.finishOidc({ url, state, redirectUri: REDIRECT, ...VISITOR });
    await expect(call).rejects.toMatchObject({ code: 'NOT_SIGNED_IN' });
    expect(await world.db.selectFrom('people').select('id').execute()).toEqual([]);
  };

  test('that belongs to another browser', async () => {
    const signIn = openWith();
    const [mine, theirs] = [await signIn.beginOidc(REDIRECT), await signIn.beginOidc(REDIRECT)];
    await refuses(provider.agree(theirs.url, BEN), mine.state, signIn);
  });

  test.each(['', 'made.up', 'eyJ9.x'])('with the cookie %j', async (state) => {
    const signIn = openWith();
    const { url } = await signIn.beginOidc(REDIRECT);
    await refuses(provider.agree(url, BEN), state, signIn);
  });

  test('whose cookie was changed', async () => {
    const signIn = openWith();
    const { url, state } = await signIn.beginOidc(REDIRECT);
    const [text = '', signature] = state.split('.');
    const pending = JSON.parse(Buffer.from(text, 'base64url').toString()) as object;
    const changed = Buffer.from(JSON.stringify({ ...pending, untilMs: 9e15 })).toString('base64url');
    await refuses(provider.agree(url, BEN), `${changed}.${signature}`, signIn);
  });

  test('that comes twice', async () => {
    const signIn = openWith();
    const { url, state } = await signIn.beginOidc(REDIRECT);
    const answer = provider.agree(url, BEN);
    await signIn.finishOidc({ url: answer, state, redirectUri: REDIRECT, ...VISITOR });
    await world.db.deleteFrom('people').execute();
    await refuses(answer, state, signIn);
  });

  test.each([
    ['for another client', () => void (provider.audience = 'another')],
    ['with another nonce', () => void (provider.nonce = 'another')],
    [
      'signed with another key',
      () => void (provider.signWith = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey),
    ],
  ])('%s', async (_name, spoil) => {
    const signIn = openWith();
    const { url, state } = await signIn.beginOidc(REDIRECT);
    spoil();
    await refuses(provider.agree(url, BEN), state, signIn);
  });

  test('that says no', async () => {
    const signIn = openWith();
    const { url, state } = await signIn.beginOidc(REDIRECT);
    const given = new URL(url).searchParams.get('state');
    await refuses(`/callback?error=access_denied&state=${given}`, state, signIn);
  });
});

test('a provider that does not answer is its own trouble', async () => {
  provider.isGone = true;
  await expect(openWith().beginOidc(REDIRECT)).rejects.toMatchObject({ code: 'UNREACHABLE' });
});

test('without one configured there is none', async () => {
  const signIn = openSignIn(world);
  expect(signIn.oidcTitle).toBeNull();
  await expect(signIn.beginOidc(REDIRECT)).rejects.toMatchObject({ code: 'ENTITY_NOT_FOUND' });
});
