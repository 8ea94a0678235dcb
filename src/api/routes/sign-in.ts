/** Setting up, signing in and out, and who one is. */
import { z } from 'zod';
import { RIGHTS, may } from '../../control/people/roles.ts';
import type { NewSession } from '../../control/services.ts';
import { DroverError } from '../../model/errors.ts';
import { OIDC_COOKIE, SESSION_COOKIE } from '../cookies.ts';
import { changePassword, me, setUpInput, signInInput, signInOptions, type Me } from '../wire/people.ts';
import { json, NOTHING, route, type Call, type Route } from './route.ts';

type AnyCall = Call<unknown, unknown, unknown>;

const OIDC_PATH = '/api/v1/sign-in/oidc/callback';
const OIDC_MS_MAX = 10 * 60_000;

function refuseWithoutCookies({ visit }: AnyCall): void {
  if (visit.keepsCookies) return;
  throw new DroverError(
    'FORBIDDEN',
    'You are reaching Drover over plain HTTP from another machine, so the browser would not keep you signed in.',
    {
      remedy:
        'Put HTTPS in front of it, or, on a network you trust, set DROVER_INSECURE_COOKIES=1 and restart. Tokens work either way.',
    },
  );
}

function begin(call: AnyCall, session: NewSession): Me {
  call.visit.cookies.set(SESSION_COOKIE, session.secret, new Date(session.expiresAt));
  const { person } = session;
  const actor = { kind: 'person', name: person.name, role: person.role, personId: person.id, tokenId: null } as const;
  return {
    actor,
    person,
    csrfToken: session.csrfToken,
    rights: RIGHTS.filter((right) => may({ ...actor, address: null }, right)),
    programVersion: call.world.programVersion,
  };
}

const opening: readonly Route[] = [
  route({
    name: 'getSignInOptions',
    method: 'GET',
    path: '/sign-in',
    subject: 'Signing in',
    summary: 'How one can sign in here',
    right: 'open',
    answer: json(signInOptions, 'The ways.'),
    async handle({ services, visit, world }) {
      const needsSetup = await services.signIn.needsSetup();
      return {
        needsSetup,
        oidcTitle: services.signIn.oidcTitle,
        cookies: visit.keepsCookies ? ('kept' as const) : ('refused' as const),
        programVersion: needsSetup ? world.programVersion : null,
      };
    },
  }),
  route({
    name: 'setUp',
    method: 'POST',
    path: '/setup',
    subject: 'Signing in',
    summary: 'Make the first administrator',
    description: 'Works once, with the token of the set-up link. 404 afterwards.',
    right: 'open',
    body: setUpInput,
    answer: json(me, 'Made, and signed in.'),
    async handle(call) {
      const { services, body } = call;
      if (!(await services.signIn.needsSetup())) {
        throw new DroverError('ENTITY_NOT_FOUND', 'Set-up is finished.', { remedy: 'Sign in.' });
      }
      refuseWithoutCookies(call);
      await services.signIn.setUp({ ...body, name: body.name ?? '', address: call.visit.address });
      return begin(call, await services.signIn.withPassword({ ...body, ...visitor(call) }));
    },
  }),
  route({
    name: 'signIn',
    method: 'POST',
    path: '/sign-in',
    subject: 'Signing in',
    summary: 'Sign in with a password',
    description: 'Sets the cookie of a session. Programs use tokens instead.',
    right: 'open',
    body: signInInput,
    answer: json(me, 'Signed in.'),
    async handle(call) {
      refuseWithoutCookies(call);
      const { sessionSecret } = call.visit;
      const session = await call.services.signIn.withPassword({ ...call.body, ...visitor(call), sessionSecret });
      // Whoever was signed in here before is not any more.
      if (call.visit.sessionSecret !== null) await call.services.signIn.end(call.visit.sessionSecret);
      return begin(call, session);
    },
  }),
  route({
    name: 'beginOidc',
    method: 'GET',
    path: '/sign-in/oidc',
    subject: 'Signing in',
    summary: 'Sign in at the identity provider',
    right: 'open',
    answer: { kind: 'redirect', description: 'To the identity provider.' },
    async handle(call) {
      refuseWithoutCookies(call);
      const { url, state } = await call.services.signIn.beginOidc(call.visit.origin + OIDC_PATH, call.visit.address);
      call.visit.cookies.set(OIDC_COOKIE, state, new Date(call.world.clock.now() + OIDC_MS_MAX));
      return url;
    },
  }),
  route({
    name: 'finishOidc',
    method: 'GET',
    path: '/sign-in/oidc/callback',
    subject: 'Signing in',
    summary: 'Where the identity provider sends the browser back to',
    right: 'open',
    query: z.record(z.string(), z.unknown()).describe('As the identity provider gives them.'),
    answer: { kind: 'redirect', description: 'To the web app, signed in.' },
    async handle(call) {
      const { visit, services } = call;
      const state = visit.cookies.get(OIDC_COOKIE);
      if (state === null) {
        throw new DroverError('NOT_SIGNED_IN', 'This sign-in was not begun in this browser, or took too long.', {
          remedy: 'Begin again.',
        });
      }
      visit.cookies.clear(OIDC_COOKIE);
      const redirectUri = visit.origin + OIDC_PATH;
      const session = await services.signIn.finishOidc({ url: visit.url, state, redirectUri, ...visitor(call) });
      begin(call, session);
      return '/';
    },
  }),
];

function visitor({ visit }: AnyCall): { address: string | null; userAgent: string | null } {
  return { address: visit.address, userAgent: visit.userAgent };
}

const own: readonly Route[] = [
  route({
    name: 'signOut',
    method: 'POST',
    path: '/sign-out',
    subject: 'Signing in',
    summary: 'End the session',
    right: 'own-account',
    answer: NOTHING,
    async handle({ services, visit }) {
      if (visit.sessionSecret !== null) await services.signIn.end(visit.sessionSecret);
      visit.cookies.clear(SESSION_COOKIE);
    },
  }),
  route({
    name: 'getMe',
    method: 'GET',
    path: '/me',
    subject: 'Signing in',
    summary: 'Who is signed in, and what they may do',
    right: 'own-account',
    answer: json(me, 'You.'),
    async handle({ actor, services, visit, world }) {
      const session = visit.sessionSecret === null ? null : await services.signIn.session(visit.sessionSecret);
      const { kind, name, role, personId, tokenId } = actor;
      return {
        actor: { kind, name, role, personId, tokenId },
        person: session?.person ?? null,
        csrfToken: visit.csrfToken,
        rights: RIGHTS.filter((right) => may(actor, right)),
        programVersion: world.programVersion,
      };
    },
  }),
  route({
    name: 'changeOwnPassword',
    method: 'POST',
    path: '/me/password',
    subject: 'Signing in',
    summary: 'Change the own password',
    description: 'Ends all other sessions; the own tokens stay, unless they are to be ended too.',
    right: 'own-account',
    body: changePassword,
    answer: NOTHING,
    async handle({ actor, services, body, visit }) {
      await services.people.changePassword(actor, body, visit.sessionSecret);
    },
  }),
];

export const signInRoutes: readonly Route[] = [...opening, ...own];
