/**
 * Signing in at an identity provider by OpenID Connect: authorization code with PKCE, state and nonce. What has to be
 * remembered in between goes into a signed cookie, so that any server can finish what another one began.
 */
import * as openid from 'openid-client';
import type { Clock } from '../../lib/world.ts';
import { hushed } from '../../lib/hushed-transport.ts';
import type { OpenTransport, Transport } from '../../lib/transport.ts';
import { DroverError, toDroverError } from '../../model/errors.ts';
import type { Settings } from '../settings/settings.ts';
import type { Vault } from '../world.ts';
import { sameText } from './secrets.ts';

const SCOPE = 'openid email profile';
const ANSWER_BYTES_MAX = 1024 * 1024;
const STATE_MS_MAX = 10 * 60_000;
const DISCOVERED_MS_MAX = 60 * 60_000;

interface OidcWorld {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly vault: Pick<Vault, 'sign'>;
  readonly openTransport: OpenTransport;
}

/** Who the identity provider says it is. */
export interface OidcPerson {
  /** Never changes, unlike the address: issuer and subject. */
  readonly subject: string;
  readonly email: string;
  readonly emailVerified: boolean;
  /** The provider says that anybody may have typed it in; others say nothing. */
  readonly isEmailDoubtful: boolean;
  readonly name: string;
}

export interface Oidc {
  readonly title: string;
  begin(redirectUri: string): Promise<{ url: string; state: string }>;
  /** NOT_SIGNED_IN when the answer does not belong to `state`, or the provider says no. */
  finish(input: { url: string; state: string; redirectUri: string }): Promise<OidcPerson>;
}

interface Pending {
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
  readonly redirectUri: string;
  readonly untilMs: number;
}

/** `null`: none is configured. Touches no network. */
export function openOidc(world: OidcWorld): Oidc | null {
  const { oidcIssuer: issuer, oidcClientId: clientId, oidcClientSecret: clientSecret } = world.settings;
  if (issuer === null || clientId === null) return null;
  const { clock, vault } = world;
  let known: { readonly configuration: openid.Configuration; readonly untilMs: number } | null = null;

  async function configuration(): Promise<openid.Configuration> {
    if (known !== null && known.untilMs > clock.monotonic()) return known.configuration;
    const url = new URL(issuer as string);
    const found = await openid.discovery(
      url,
      clientId as string,
      clientSecret ?? undefined,
      clientSecret === null ? openid.None() : undefined,
      {
        [openid.customFetch]: fetchOver(hushed(world.openTransport, clientSecret === null ? [] : [clientSecret])),
        execute: [
          // Left to itself the library trusts the connection the ID token came over, and does not look at its signature.
          openid.enableNonRepudiationChecks,
          // Plain HTTP only where the administrator wrote it into the settings.
          ...(url.protocol === 'http:' ? [openid.allowInsecureRequests] : []),
        ],
      },
    );
    known = { configuration: found, untilMs: clock.monotonic() + DISCOVERED_MS_MAX };
    return found;
  }

  const signed = (text: string): string => vault.sign('oidc-state', Buffer.from(text));

  function pack(pending: Pending): string {
    const text = Buffer.from(JSON.stringify(pending)).toString('base64url');
    return `${text}.${signed(text)}`;
  }

  function unpack(state: string): Pending {
    const [text = '', signature = ''] = state.split('.');
    if (!sameText(signature, signed(text))) throw notThisSignIn();
    const pending = JSON.parse(Buffer.from(text, 'base64url').toString()) as Pending;
    if (pending.untilMs <= clock.now()) throw notThisSignIn();
    return pending;
  }

  return {
    title: new URL(issuer).host,

    begin: (redirectUri) =>
      atProvider(async () => {
        const verifier = openid.randomPKCECodeVerifier();
        const state = openid.randomState();
        const nonce = openid.randomNonce();
        const url = openid.buildAuthorizationUrl(await configuration(), {
          redirect_uri: redirectUri,
          scope: SCOPE,
          code_challenge: await openid.calculatePKCECodeChallenge(verifier),
          code_challenge_method: 'S256',
          state,
          nonce,
        });
        const untilMs = clock.now() + STATE_MS_MAX;
        return { url: url.href, state: pack({ state, nonce, verifier, redirectUri, untilMs }) };
      }),

    async finish({ url, state, redirectUri }) {
      const pending = unpack(state);
      if (pending.redirectUri !== redirectUri) throw notThisSignIn();
      const answer = new URL(redirectUri);
      answer.search = new URL(url, redirectUri).search;
      return atProvider(async () => {
        const tokens = await openid.authorizationCodeGrant(await configuration(), answer, {
          pkceCodeVerifier: pending.verifier,
          expectedState: pending.state,
          expectedNonce: pending.nonce,
          idTokenExpected: true,
        });
        return personOf(tokens.claims());
      });
    },
  };
}

function personOf(claims: openid.IDToken | undefined): OidcPerson {
  if (claims === undefined) throw new DroverError('NOT_SIGNED_IN', 'The identity provider sent no ID token.');
  const { email, name, email_verified: verified } = claims;
  if (typeof email !== 'string' || email === '') {
    throw new DroverError('NOT_SIGNED_IN', 'The identity provider did not tell your e-mail address.', {
      remedy: 'Have the scope "email" allowed for Drover at the identity provider.',
    });
  }
  return {
    subject: `${claims.iss}#${claims.sub}`,
    email,
    // Some providers send the word instead of the value.
    emailVerified: verified === true || (verified as unknown) === 'true',
    isEmailDoubtful: verified === false || (verified as unknown) === 'false',
    name: typeof name === 'string' ? name : '',
  };
}

function notThisSignIn(): DroverError {
  return new DroverError('NOT_SIGNED_IN', 'This sign-in was not begun in this browser, or took too long.', {
    remedy: 'Begin again.',
  });
}

/** What the provider answers is refused; that it does not answer is its state, not the person's fault. */
async function atProvider<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    if (thrown instanceof DroverError) throw thrown;
    const inner = [thrown, (thrown as Error).cause].find((each) => each instanceof DroverError);
    if (inner !== undefined) throw toDroverError(inner);
    const words = (thrown as Error & { error_description?: string }).error_description ?? (thrown as Error).message;
    throw new DroverError('NOT_SIGNED_IN', `The identity provider did not let you in (${words}).`, {
      cause: thrown,
      remedy: 'Begin again; if it stays so, ask whoever runs the identity provider.',
    });
  }
}

/** The same network as everything else: proxies and certificates included. */
function fetchOver(openTransport: OpenTransport): openid.CustomFetch {
  let transport: Transport | null = null;
  return async (url, { method, headers, body, signal }) => {
    transport ??= openTransport({ caCertificate: null, connectionsMax: 2 });
    const { origin, pathname, search } = new URL(url);
    const content = body === undefined || body === null ? null : Buffer.from(bodyText(body));
    const answer = await transport.send({
      method,
      origin,
      path: pathname + search,
      headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])),
      body: content === null ? null : { sizeBytes: content.byteLength, content },
      operation: 'OIDC',
      signal: signal ?? new AbortController().signal,
    });
    const text = await answer.bytes(ANSWER_BYTES_MAX);
    const { 'content-length': _length, 'transfer-encoding': _encoding, ...rest } = answer.headers;
    return new Response(text.byteLength === 0 ? null : Buffer.from(text), { status: answer.status, headers: rest });
  };
}

function bodyText(body: unknown): string {
  if (typeof body === 'string' || body instanceof URLSearchParams) return String(body);
  throw new DroverError('INTERNAL', 'The identity provider was to be sent something that is no form.');
}
