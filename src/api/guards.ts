/** Who asks, from where, and whether a browser was tricked into asking. */
import { isIP } from 'node:net';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Actor } from '../control/entities.ts';
import { sameText } from '../control/people/secrets.ts';
import { DroverError, toDroverError } from '../model/errors.ts';
import { cookiesOf, SESSION_COOKIE } from './cookies.ts';
import type { Visit } from './routes/route.ts';
import type { ApiSettings, ApiWorld } from './world.ts';

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
  const bearer = bearerOf(request.headers);
  if (bearer !== undefined) {
    const actor = await signIn.token(bearer, address);
    if (actor === null) {
      throw new DroverError('NOT_SIGNED_IN', 'This token is not valid, or not any more.', {
        remedy: 'Make a new one with "drover token create".',
      });
    }
    const stillThere = async (): Promise<boolean> =>
      (await signIn.token(bearer, address).catch(nobodyIfLimited))?.role === actor.role;
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

/** A valid token is never refused for what others tried, so whoever is told to wait has none. */
function nobodyIfLimited(thrown: unknown): null {
  if (toDroverError(thrown).code === 'RATE_LIMITED') return null;
  throw thrown;
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
 * A page elsewhere may have its name resolve to this server, and so read what the server says to whoever asks from there.
 * Its requests carry that name. Where nobody said under which names the server is reached, this holds for connections to
 * the loopback address. An address is no name that somebody could have pointed here, and a page knows no token.
 */
export function refuseForeignHost(
  { settings }: Pick<ApiWorld, 'settings'>,
  request: Pick<FastifyRequest, 'socket' | 'host' | 'headers'>,
): void {
  const { publicUrl, allowedHosts, trustedProxies } = settings;
  const listener = request.socket.localAddress;
  const isLocal = listener !== undefined && isLoopback(listener) && trustedProxies.length === 0;
  if (!isLocal && !namesHosts(settings)) return;
  const name = hostName(request.host ?? '');
  if (name === '' || name === 'localhost' || name.endsWith('.localhost') || isIP(name) !== 0) return;
  if (publicUrl !== null && name === hostName(new URL(publicUrl).host)) return;
  if (allowedHosts.some((allowed) => isHost(name, allowed.toLowerCase()))) return;
  if (bearerOf(request.headers) !== undefined) return;
  throw new DroverError('FORBIDDEN', `This server answers to its own names only, not to "${name}".`, {
    remedy: 'Open it at the address of DROVER_PUBLIC_URL, or have this name added to DROVER_ALLOWED_HOSTS.',
  });
}

/** Somebody said under which names the server is reached. */
export function namesHosts({ publicUrl, allowedHosts }: Pick<ApiSettings, 'publicUrl' | 'allowedHosts'>): boolean {
  return publicUrl !== null || allowedHosts.length > 0;
}

/** Without port, brackets, and the dot that may end a name. */
function hostName(host: string): string {
  return host
    .toLowerCase()
    .replace(/:\d*$/, '')
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '');
}

function isHost(name: string, allowed: string): boolean {
  return allowed.startsWith('*.') ? name.endsWith(allowed.slice(1)) : name === allowed;
}

function bearerOf({ authorization }: FastifyRequest['headers']): string | undefined {
  return /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1];
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
