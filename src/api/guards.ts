/** Who asks, from where, and whether a browser was tricked into asking. */
import { isIP } from 'node:net';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Actor } from '../control/entities.ts';
import { sameText } from '../control/people/secrets.ts';
import { DroverError } from '../model/errors.ts';
import { cookiesOf, SESSION_COOKIE } from './cookies.ts';
import type { Visit } from './routes/route.ts';
import type { ApiWorld } from './world.ts';

export const CSRF_HEADER = 'x-csrf-token';

export interface Caller {
  /** `null`: nobody signed in. */
  readonly actor: Actor | null;
  readonly visit: Visit;
  /** Signed in still, in the same role; asking is no activity. Streams end when this says no. */
  stillThere(): Promise<boolean>;
}

/** Who sends the request. A session that changes something must show its CSRF token. */
export async function findCaller(world: ApiWorld, request: FastifyRequest, reply: FastifyReply): Promise<Caller> {
  const { signIn } = world.services;
  const address = addressOf(request);
  const visit = visitOf(world, request, reply);
  const bearer = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
  if (bearer !== undefined) {
    const actor = await signIn.token(bearer, address);
    if (actor === null) {
      throw new DroverError('NOT_SIGNED_IN', 'This token is not valid, or not any more.', {
        remedy: 'Make a new one with "drover token create".',
      });
    }
    const stillThere = async (): Promise<boolean> => (await signIn.token(bearer, address))?.role === actor.role;
    return { actor, visit, stillThere };
  }
  const secret = request.cookies[SESSION_COOKIE];
  const session = secret === undefined ? null : await signIn.session(secret);
  if (secret === undefined || session === null) return { actor: null, visit, stillThere: async () => true };
  const stillThere = async (): Promise<boolean> =>
    (await signIn.session(secret, { isActivity: false }))?.actor.role === session.actor.role;
  const actor = { ...session.actor, address };
  return { actor, visit: { ...visit, sessionSecret: secret, csrfToken: session.csrfToken }, stillThere };
}

/** For requests that change something and come with a cookie, or set one. */
export function refuseOtherSites(world: ApiWorld, request: FastifyRequest): void {
  const { origin, 'sec-fetch-site': site } = request.headers;
  const allowed = [`${request.protocol}://${request.host}`, originOf(world.settings.publicUrl)];
  const isOther = origin === undefined ? site === 'cross-site' || site === 'same-site' : !allowed.includes(origin);
  if (!isOther) return;
  throw new DroverError('FORBIDDEN', 'This request was sent by a page of another site.', {
    remedy: 'Open Drover at its own address; behind a proxy, set DROVER_PUBLIC_URL to that address.',
  });
}

export function refuseWithoutCsrfToken(request: FastifyRequest, visit: Visit): void {
  const given = request.headers[CSRF_HEADER];
  if (visit.csrfToken !== null && typeof given === 'string' && sameText(given, visit.csrfToken)) return;
  throw new DroverError('FORBIDDEN', `The header X-CSRF-Token is missing or is not that of this session.`, {
    remedy: 'Reload the page; programs use a token instead of a session.',
  });
}

/**
 * A page elsewhere may have its name resolve to this machine and so read what a server that trusts the loopback
 * address says. Its requests carry that name.
 */
export function refuseForeignHost({ settings }: ApiWorld, request: FastifyRequest): void {
  const listener = request.socket.localAddress;
  if (listener === undefined || !isLoopback(listener) || settings.trustedProxies.length > 0) return;
  const host = request.headers.host ?? '';
  const name = host.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
  const isOurs = name === 'localhost' || name.endsWith('.localhost') || (isIP(name) !== 0 && isLoopback(name));
  if (isOurs || (settings.publicUrl !== null && host === new URL(settings.publicUrl).host)) return;
  throw new DroverError('FORBIDDEN', `This server answers to its own address only, not to "${host}".`, {
    remedy: 'Open it as http://127.0.0.1, or set DROVER_PUBLIC_URL to the address it is reached at.',
  });
}

function visitOf({ settings }: ApiWorld, request: FastifyRequest, reply: FastifyReply): Visit {
  // A proxy may take HTTPS off without anybody having said that it is to be believed; the address that people use tells.
  const isPublicHttps = !settings.insecureCookies && (settings.publicUrl?.toLowerCase().startsWith('https:') ?? false);
  const isPrivate = request.protocol === 'https' || isLoopback(request.ip) || isThisMachine(settings, request);
  const lastEventId = request.headers['last-event-id'];
  return {
    requestId: request.id,
    address: addressOf(request),
    userAgent: request.headers['user-agent'] ?? null,
    origin: originOf(settings.publicUrl) ?? `${request.protocol}://${request.host}`,
    url: request.url,
    keepsCookies: isPrivate || settings.insecureCookies,
    sessionSecret: null,
    csrfToken: null,
    cookies: cookiesOf(request, reply, request.protocol === 'https' || isPublicHttps),
    lastEventId: typeof lastEventId === 'string' ? lastEventId : null,
  };
}

/** In a container even this machine's own browser comes from elsewhere; the address it asked for tells. */
function isThisMachine({ publicUrl }: ApiWorld['settings'], request: FastifyRequest): boolean {
  if (publicUrl === null) return false;
  const { host, hostname } = new URL(publicUrl);
  return request.host === host && (hostname === 'localhost' || isLoopback(hostname.replace(/^\[(.*)\]$/, '$1')));
}

function addressOf(request: FastifyRequest): string | null {
  return request.ip === '' ? null : request.ip.replace(/^::ffff:/, '');
}

function originOf(url: string | null): string | null {
  return url === null ? null : new URL(url).origin;
}

export function isLoopback(address: string): boolean {
  const plain = address.replace(/^::ffff:/, '');
  return plain === '::1' || plain.startsWith('127.');
}
