/** Which requests go through a proxy, told by the environment as curl reads it, and how a tunnel through one is opened. */
import { request as requestPlain } from 'node:http';
import { request as requestSecure } from 'node:https';
import type { Socket } from 'node:net';
import type { SecureContext } from 'node:tls';
import { DroverError } from '../model/errors.ts';

export interface Proxy {
  /** `http://proxy.example:3128`, without credentials. */
  readonly origin: string;
  /** Value of `proxy-authorization`; `null` when the proxy's URL names no user. */
  readonly authorization: string | null;
}

/** The proxy for an origin, `null` for a direct connection. */
export type ProxyChoice = (origin: string) => Proxy | null;

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`; the lower-case names win. INVALID_INPUT when a proxy's URL is not
 * one of an http or https proxy. `NO_PROXY` alone says what goes direct: nothing, not even loopback, is exempt by itself.
 */
export function proxyChoice(environment: Environment): ProxyChoice {
  const plain = proxyFrom(environment, 'http_proxy');
  const secure = proxyFrom(environment, 'https_proxy');
  const exceptions = readEither(environment, 'no_proxy')
    .split(/[\s,]+/)
    .filter((entry) => entry !== '');
  return (origin) => {
    const url = new URL(origin);
    const proxy = url.protocol === 'https:' ? secure : plain;
    return proxy === null || exceptions.some((entry) => exempts(entry, url)) ? null : proxy;
  };
}

/**
 * A connection through the proxy to `host:port`, ready for TLS. UNREACHABLE when the proxy refuses; network errors
 * come out as they are.
 */
export function openTunnel(options: {
  readonly proxy: Proxy;
  readonly hostAndPort: string;
  readonly connectMsMax: number;
  readonly secureContext: SecureContext | null;
  readonly signal: AbortSignal;
}): Promise<Socket> {
  const { proxy, hostAndPort, connectMsMax, secureContext, signal } = options;
  const url = new URL(proxy.origin);
  const headers: Record<string, string> = { host: hostAndPort };
  if (proxy.authorization !== null) headers['proxy-authorization'] = proxy.authorization;
  return new Promise((resolve, reject) => {
    const request = (url.protocol === 'https:' ? requestSecure : requestPlain)({
      method: 'CONNECT',
      host: bareHost(url),
      port: url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port),
      path: hostAndPort,
      headers,
      agent: false,
      signal,
      ...(secureContext === null ? {} : { secureContext }),
    });
    request.setTimeout(connectMsMax, () => {
      request.destroy(new DroverError('UNREACHABLE', `The proxy ${proxy.origin} did not open a connection in time.`));
    });
    request.on('connect', (answer, socket, head) => {
      const status = answer.statusCode ?? 0;
      if (status >= 200 && status < 300) {
        socket.setTimeout(0);
        if (head.length > 0) socket.unshift(head);
        return resolve(socket as Socket);
      }
      socket.destroy();
      reject(refused(proxy, hostAndPort, status));
    });
    request.on('response', (answer) => {
      answer.destroy();
      reject(refused(proxy, hostAndPort, answer.statusCode ?? 0));
    });
    request.on('error', reject);
    request.end();
  });
}

function refused(proxy: Proxy, hostAndPort: string, status: number): DroverError {
  const why = status === 407 ? 'it wants a user name and a password (407)' : `it answered ${status}`;
  return new DroverError('UNREACHABLE', `The proxy ${proxy.origin} does not connect to ${hostAndPort}: ${why}.`, {
    details: { status },
  });
}

function readEither(environment: Environment, name: string): string {
  const lower = environment[name];
  return (lower === undefined || lower === '' ? environment[name.toUpperCase()] : lower) ?? '';
}

function proxyFrom(environment: Environment, name: string): Proxy | null {
  const text = readEither(environment, name).trim();
  if (text === '') return null;
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`);
  if (url === null || url.hostname === '' || !['http:', 'https:'].includes(url.protocol)) {
    // The value may hold a password, so it is not repeated.
    throw new DroverError('INVALID_INPUT', `${name.toUpperCase()} must name an http or https proxy.`);
  }
  const user = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  return {
    origin: url.origin,
    authorization: user === ':' ? null : `Basic ${Buffer.from(user).toString('base64')}`,
  };
}

/** `*` is everything; a name stands for itself and what is below it, with or without a leading dot; `:port` narrows. */
function exempts(entry: string, url: URL): boolean {
  if (entry === '*') return true;
  const match = /^(\[[^\]]*\]|[^:]*|[0-9a-fA-F:]*:[0-9a-fA-F:]*:[0-9a-fA-F:]*)(?::(\d+))?$/.exec(entry);
  if (match === null) return false;
  const port = url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port;
  if (match[2] !== undefined && match[2] !== port) return false;
  const name = (match[1] as string)
    .replace(/^\[|\]$/g, '')
    .replace(/^\.|\.$/g, '')
    .toLowerCase();
  const host = bareHost(url).replace(/\.$/, '');
  return name !== '' && (host === name || host.endsWith(`.${name}`));
}

/** The host of a URL, an IPv6 address without its brackets. */
export function bareHost(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '');
}
