/**
 * The transport of every day: HTTP/1.1 over kept connections, by undici. HTTP/2 is left out on purpose: one connection
 * per request in flight is what moves bytes fastest, and what services' own limits are counted in.
 */
import { DroverError } from '../model/errors.ts';
import { OutgoingStream, slicesOf, type OnProgress } from './http-body.ts';
import { connectorFor, trustedAuthorities } from './http-connect.ts';
import { Exchange } from './http-exchange.ts';
import { Lanes, type Lane } from './http-lanes.ts';
import { bareHost, proxyChoice, type ProxyChoice } from './http-proxy.ts';
import { cancelled, throwIfCancelled } from './system.ts';
import type { HttpRequest, HttpResponse, NetworkSettings, OpenTransport, RequestBody, Transport } from './transport.ts';

/**
 * `environment` is read for `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`. Opening fails with INVALID_INPUT when a proxy or
 * the connector's CA certificate is malformed. Certificates are always checked.
 */
export function openUndiciTransport(environment: Readonly<Record<string, string | undefined>>): OpenTransport {
  return (settings) =>
    new UndiciTransport(settings, settings.proxy === 'never' ? () => null : proxyChoice(environment));
}

interface Route {
  readonly lanes: Lanes;
  /** Set before the path when a proxy forwards plain requests for us. */
  readonly pathPrefix: string;
  readonly headers: Readonly<Record<string, string>>;
}

class UndiciTransport implements Transport {
  private readonly settings: NetworkSettings;
  private readonly proxyOf: ProxyChoice;
  private readonly authorities: ReturnType<typeof trustedAuthorities>;
  private readonly routes = new Map<string, Route>();

  constructor(settings: NetworkSettings, proxyOf: ProxyChoice) {
    this.settings = settings;
    this.proxyOf = proxyOf;
    this.authorities = trustedAuthorities(settings.caCertificate);
  }

  async send(request: HttpRequest): Promise<HttpResponse> {
    const { signal } = request;
    const body = request.body === null ? null : await checked(request.body);
    let lane: Lane | null = null;
    let route: Route | null = null;
    try {
      throwIfCancelled(signal);
      route = this.routeTo(request.origin);
      lane = await route.lanes.acquire(signal);
      throwIfCancelled(signal);
    } catch (error) {
      if (lane !== null) route?.lanes.release(lane);
      closeContent(request.body);
      throw error;
    }
    return sendOn(lane, route, { ...request, body });
  }

  async close(): Promise<void> {
    const routes = [...this.routes.values()];
    this.routes.clear();
    await Promise.all(routes.map((route) => route.lanes.close()));
  }

  private routeTo(origin: string): Route {
    let route = this.routes.get(origin);
    if (route === undefined) {
      if (!/^https?:\/\/[^/?#]+$/.test(origin) || URL.parse(origin) === null) {
        throw new DroverError('INVALID_INPUT', `"${origin}" is not an address of the form https://host.`);
      }
      route = this.makeRoute(origin);
      this.routes.set(origin, route);
    }
    return route;
  }

  private makeRoute(origin: string): Route {
    const { authorities } = this;
    const { connectionsMax, checkAddress } = this.settings;
    const proxy = this.proxyOf(origin);
    if (proxy !== null) {
      const host = bareHost(new URL(origin));
      checkAddress?.(host, host);
    }
    if (proxy === null || origin.startsWith('https:')) {
      const connect = connectorFor({ origin, proxy, authorities, checkAddress });
      return { lanes: new Lanes(origin, connect, connectionsMax), pathPrefix: '', headers: {} };
    }
    const connect = connectorFor({ origin: proxy.origin, proxy: null, authorities });
    const headers: Record<string, string> = { host: new URL(origin).host };
    if (proxy.authorization !== null) headers['proxy-authorization'] = proxy.authorization;
    return { lanes: new Lanes(proxy.origin, connect, connectionsMax), pathPrefix: origin, headers };
  }
}

async function sendOn(lane: Lane, route: Route, request: HttpRequest): Promise<HttpResponse> {
  const first = dispatch(lane, route, request, isRepeatable(request));
  try {
    return await first.answer;
  } catch (error) {
    if (!first.keepsLane()) throw error;
    if (request.signal.aborted) {
      route.lanes.release(lane);
      throw cancelled(request.signal);
    }
    // The service had closed the kept connection before this request came; the same lane now opens a new one.
    return await dispatch(lane, route, request, false).answer;
  }
}

interface Dispatched {
  readonly answer: Promise<HttpResponse>;
  /** After a failure: the lane was not given back, because one more try on a new connection is due. */
  keepsLane(): boolean;
}

function dispatch(lane: Lane, route: Route, request: HttpRequest, mayRepeat: boolean): Dispatched {
  let isKept = false;
  const outgoing = outgoingOf(request.body, (state) => exchange.onProgress(state));
  const exchange: Exchange = new Exchange(request, outgoing instanceof OutgoingStream ? outgoing : null, {
    onFreed() {
      isKept = mayRepeat && lane.carried > 0 && exchange.isLostUnanswered();
      lane.carried++;
      if (!isKept) route.lanes.release(lane);
    },
    onNotWanted: (error) => lane.connecting?.destroy(error),
  });
  lane.client.dispatch(
    {
      path: route.pathPrefix + request.path,
      method: request.method as 'GET',
      headers: headersOf(request, route),
      // The types know Node's own streams only; any async iterable is read.
      body: outgoing as Uint8Array | null,
      // Without it undici closes after HEAD, and after DELETE with a body, to be safe from broken servers.
      reset: false,
    },
    exchange,
  );
  return { answer: exchange.answer, keepsLane: () => isKept };
}

function outgoingOf(body: RequestBody | null, onProgress: OnProgress): Uint8Array | OutgoingStream | null {
  if (body === null) return null;
  const content = body.content instanceof Uint8Array ? slicesOf(body.content) : body.content;
  return content instanceof Uint8Array ? content : new OutgoingStream(content, body.sizeBytes, onProgress);
}

function headersOf(request: HttpRequest, route: Route): Record<string, string> {
  const headers: Record<string, string> = { 'accept-encoding': 'identity', ...request.headers, ...route.headers };
  if (route.headers['host'] === undefined) delete headers['host'];
  delete headers['content-length'];
  const { body } = request;
  if (body !== null && body.sizeBytes > 0) headers['content-length'] = String(body.sizeBytes);
  return headers;
}

/** A repeated request must not be able to find its own earlier effect, so conditional writes are not repeated. */
function isRepeatable(request: HttpRequest): boolean {
  if (request.body !== null && !(request.body.content instanceof Uint8Array)) return false;
  if (request.method === 'GET' || request.method === 'HEAD') return true;
  const isConditional = Object.keys(request.headers).some((name) => /(?:^|-)if-/.test(name));
  return (request.method === 'PUT' || request.method === 'DELETE') && !isConditional;
}

/** Whole buffers are compared now; an empty stream is read to its end now, because it sends nothing. */
async function checked(body: RequestBody): Promise<RequestBody | null> {
  const { sizeBytes, content } = body;
  if (content instanceof Uint8Array) {
    if (content.length === sizeBytes) return body;
    const code = content.length < sizeBytes ? 'EARLY_END' : 'EXTRA_BYTES';
    throw new DroverError(code, `The content to send has ${content.length} bytes, but ${sizeBytes} were declared.`);
  }
  if (sizeBytes > 0) return body;
  for await (const chunk of content) {
    if (chunk.length > 0)
      throw new DroverError('EXTRA_BYTES', 'The content to send has bytes, but none were declared.');
  }
  return null;
}

/** The request never began, so nobody will read the content. */
function closeContent(body: RequestBody | null): void {
  if (body === null || body.content instanceof Uint8Array) return;
  void Promise.resolve(body.content[Symbol.asyncIterator]().return?.()).catch(() => undefined);
}
