/** Opens connections: which authorities are trusted, through which proxy, and in which words a refusal is told. */
import { X509Certificate } from 'node:crypto';
import { lookup, type LookupAddress } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls';
import buildConnector from 'undici/lib/core/connect.js';
import { DroverError } from '../model/errors.ts';
import { bareHost, openTunnel, type Proxy } from './http-proxy.ts';
import type { NetworkSettings } from './transport.ts';

/** Time for name, connection and TLS together. */
const CONNECT_MS_MAX = 20_000;
/** Node's own 250 ms per address fails on far-away endpoints whose every address is slow to answer. */
const ADDRESS_ATTEMPT_MS = 2_000;

/**
 * The authorities of Node (with `NODE_EXTRA_CA_CERTS`), of the system, and the connector's own. Made at the first use,
 * because reading them takes time. INVALID_INPUT when the connector's text holds no certificate.
 */
export function trustedAuthorities(caCertificate: string | null): () => SecureContext {
  const own = caCertificate === null ? [] : certificatesIn(caCertificate);
  let context: SecureContext | null = null;
  return () => {
    context ??= createSecureContext({
      ca: [...new Set([...getCACertificates('default'), ...getCACertificates('system'), ...own])],
    });
    return context;
  };
}

function certificatesIn(text: string): string[] {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  try {
    const parsed = blocks.map((block) => new X509Certificate(block));
    if (parsed.length > 0) return blocks;
  } catch {
    // Told below, in the same words as a text without any block.
  }
  throw new DroverError('INVALID_INPUT', 'The CA certificate is not in PEM form (-----BEGIN CERTIFICATE-----).', {
    field: 'caCertificate',
  });
}

/** A connection on its way; destroying it ends the attempt with an error. */
export interface Connecting {
  destroy(error: Error): void;
}

export type Connector = (wanted: buildConnector.Options, callback: buildConnector.Callback) => Connecting;

/** For undici's clients. Every failure is a DroverError UNREACHABLE that names the host and the reason. */
export function connectorFor(options: {
  readonly origin: string;
  /** Tunnels through it; `null` connects to the origin itself. */
  readonly proxy: Proxy | null;
  readonly authorities: () => SecureContext;
  readonly checkAddress?: NetworkSettings['checkAddress'];
}): Connector {
  const { proxy, authorities } = options;
  const url = new URL(options.origin);
  // Whoever tunnels asked before; the proxy's own address is nobody's choice but the administrator's.
  const checkAddress = proxy === null ? options.checkAddress : undefined;
  let connect: Connector | null = null;
  const open: Connector = (wanted, callback) => {
    // undici's connector gives back its socket, which the types leave out.
    connect ??= buildConnector({
      allowH2: false,
      timeout: CONNECT_MS_MAX,
      autoSelectFamilyAttemptTimeout: ADDRESS_ATTEMPT_MS,
      ...(url.protocol === 'https:' ? { secureContext: authorities() } : {}),
      ...(checkAddress === undefined ? {} : { lookup: checkedLookup(checkAddress) }),
    } as buildConnector.BuildOptions) as unknown as Connector;
    // Named here, because undici would take the name from a `host` header that may be another's behind a proxy.
    const host = bareHost(url);
    const servername = isIP(host) === 0 ? { servername: url.hostname } : {};
    if (isIP(host) !== 0) {
      try {
        checkAddress?.(host, host);
      } catch (thrown) {
        callback(connectFailure(thrown, url), null);
        return { destroy: () => undefined };
      }
    }
    return connect({ ...wanted, ...servername }, (error, socket) => {
      if (error !== null) callback(connectFailure(error, url), null);
      else callback(null, socket);
    });
  };
  return proxy === null ? open : tunneling(proxy, url, authorities, open);
}

/** Names are resolved as always, and every address of a name is looked at: which one is used is not known yet. */
function checkedLookup(checkAddress: NonNullable<NetworkSettings['checkAddress']>): LookupFunction {
  return (hostname, options, callback) => {
    lookup(
      hostname,
      options,
      (error: NodeJS.ErrnoException | null, found: string | LookupAddress[], family?: number) => {
        if (error === null) {
          try {
            for (const each of typeof found === 'string' ? [found] : found.map(({ address }) => address)) {
              checkAddress(hostname, each);
            }
          } catch (thrown) {
            callback(thrown as Error, '');
            return;
          }
        }
        callback(error, found, family);
      },
    );
  };
}

function tunneling(proxy: Proxy, url: URL, authorities: () => SecureContext, open: Connector): Connector {
  const hostAndPort = `${url.hostname}:${url.port === '' ? '443' : url.port}`;
  return (wanted, callback) => {
    const stop = new AbortController();
    let inner: Connecting = { destroy: (error) => stop.abort(error) };
    const secureContext = proxy.origin.startsWith('https:') ? authorities() : null;
    openTunnel({ proxy, hostAndPort, connectMsMax: CONNECT_MS_MAX, secureContext, signal: stop.signal }).then(
      (httpSocket) => (inner = open({ ...wanted, httpSocket } as buildConnector.Options, callback)),
      (error: unknown) => callback(connectFailure(error, new URL(proxy.origin)), null),
    );
    return { destroy: (error) => inner.destroy(error) };
  };
}

const NAME_CODES = new Set(['ENOTFOUND', 'EAI_AGAIN', 'EAI_NODATA', 'EAI_NONAME', 'EAI_FAIL']);
const ROUTE_CODES = new Set(['EHOSTUNREACH', 'ENETUNREACH', 'EACCES', 'EPERM', 'EADDRNOTAVAIL']);
const TIME_CODES = new Set(['UND_ERR_CONNECT_TIMEOUT', 'ETIMEDOUT']);
const RESET_CODES = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET']);
const UNTRUSTED_CODES = new Set([
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'CERT_UNTRUSTED',
  'INVALID_CA',
]);

const UNTRUSTED_REMEDY = 'Put the certificate of that authority, as PEM text, into the field "CA certificate".';

/** The sentence for a connection that did not come about. */
function connectFailure(thrown: unknown, url: URL): DroverError {
  if (thrown instanceof DroverError) return thrown;
  const code = codeOf(thrown);
  const { sentence, field } = reasonOf(code, url, thrown);
  const remedy = field === null ? null : UNTRUSTED_REMEDY;
  return new DroverError('UNREACHABLE', sentence, { cause: thrown, field, remedy, details: { code } });
}

function reasonOf(code: string, url: URL, thrown: unknown): { sentence: string; field: string | null } {
  const { host, hostname } = url;
  if (NAME_CODES.has(code)) return { sentence: `The name ${hostname} cannot be found.`, field: null };
  if (code === 'ECONNREFUSED') return { sentence: `Nothing listens at ${host}.`, field: null };
  if (ROUTE_CODES.has(code)) return { sentence: `There is no way through the network to ${host}.`, field: null };
  if (TIME_CODES.has(code)) return { sentence: `${host} does not accept a connection in time.`, field: null };
  if (RESET_CODES.has(code)) return { sentence: `${host} closed the connection while it was opened.`, field: null };
  if (UNTRUSTED_CODES.has(code)) {
    const sentence = `The certificate of ${host} is not trusted: its authority is unknown here.`;
    return { sentence, field: 'caCertificate' };
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return { sentence: `The certificate of ${host} is for another name.`, field: null };
  }
  if (code === 'CERT_HAS_EXPIRED') return { sentence: `The certificate of ${host} has expired.`, field: null };
  if (code === 'CERT_NOT_YET_VALID') return { sentence: `The certificate of ${host} is not valid yet.`, field: null };
  if (code === 'EPROTO' || code.startsWith('ERR_SSL')) {
    return { sentence: `${host} does not speak TLS; perhaps its address begins with http://.`, field: null };
  }
  const words = thrown instanceof Error ? thrown.message : String(thrown);
  return { sentence: `No connection to ${host}: ${words}.`, field: null };
}

/** The system's code of an error, looking into the several attempts of one connection. */
export function codeOf(thrown: unknown): string {
  const inner = thrown instanceof AggregateError ? ((thrown.errors as unknown[])[0] ?? thrown) : thrown;
  const code = (inner as { code?: unknown } | null)?.code ?? (thrown as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : '';
}
