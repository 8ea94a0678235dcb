/** Whether requests come through a proxy that nobody has named. */
import type { FastifyRequest } from 'fastify';
import type { ApiWorld } from './world.ts';

/**
 * Says once in the life of the process that a request names a client whom it is not believed: everybody behind such a
 * proxy has the proxy's address, so that one who guesses passwords keeps all of them from signing in.
 */
export function watchProxies({ log }: Pick<ApiWorld, 'log'>): (request: FastifyRequest) => void {
  let isSaid = false;
  return ({ headers, ips, socket }) => {
    if (isSaid) return;
    const header = ['x-forwarded-for', 'forwarded'].find((name) => headers[name] !== undefined);
    // Whom a proxy that is believed has named stands behind it.
    if (header === undefined || (ips?.length ?? 1) > 1) return;
    isSaid = true;
    log(
      'warn',
      'A request came through a proxy that is not believed, so everybody behind it has one address: attempts to sign in are limited for all of them together. Name the proxy in DROVER_TRUSTED_PROXIES, and have it send X-Forwarded-For; if there is none, somebody has made the header up.',
      { proxy: socket.remoteAddress ?? 'unknown', header },
    );
  };
}
