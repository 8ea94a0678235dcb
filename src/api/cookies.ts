/** Cookies that scripts cannot read and other sites cannot send along. */
export interface Cookies {
  get(name: string): string | null;
  /** Until `expiresAt`, or the end of the browser when `null`. */
  set(name: string, value: string, expiresAt: Date | null): void;
  clear(name: string): void;
}

export const SESSION_COOKIE = 'drover_session';
/** Ties the answer of the identity provider to the browser that asked. */
export const OIDC_COOKIE = 'drover_oidc';
