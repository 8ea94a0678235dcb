/** Cookies that scripts cannot read and other sites cannot send along. */
import type { FastifyReply, FastifyRequest } from 'fastify';

export interface Cookies {
  get(name: string): string | null;
  /** Until `expiresAt`, or the end of the browser when `null`. */
  set(name: string, value: string, expiresAt: Date | null): void;
  clear(name: string): void;
}

export const SESSION_COOKIE = 'drover_session';
/** Ties the answer of the identity provider to the browser that asked. */
export const OIDC_COOKIE = 'drover_oidc';

/** `secure`: browsers send them over HTTPS alone. */
export function cookiesOf(request: FastifyRequest, reply: FastifyReply, secure: boolean): Cookies {
  const options = {
    path: '/',
    httpOnly: true,
    // `lax`: the identity provider's redirect is a navigation from elsewhere and must bring its cookie.
    sameSite: 'lax' as const,
    secure,
  };
  return {
    get: (name) => request.cookies[name] ?? null,
    set: (name, value, expires) =>
      void reply.setCookie(name, value, expires === null ? options : { ...options, expires }),
    clear: (name) => void reply.clearCookie(name, options),
  };
}
