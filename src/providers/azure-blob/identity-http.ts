/**
 * Carries the requests of `@azure/identity` over our own transport, so that a connector's CA certificate and the
 * process's proxies hold for tokens as they do for blobs.
 */
import type { TokenCredentialOptions } from '@azure/identity';
import type { HttpResponse, OpenTransport, RequestBody, Transport } from '../../lib/transport.ts';
import { DroverError, toDroverError } from '../../model/errors.ts';

export type IdentityClient = NonNullable<TokenCredentialOptions['httpClient']>;
type IdentityRequest = Parameters<IdentityClient['sendRequest']>[0];
type IdentityResponse = Awaited<ReturnType<IdentityClient['sendRequest']>>;

const ANSWER_BYTES_MAX = 4 * 1024 * 1024;

interface Connections {
  readonly network: Transport;
  /** Plain http is spoken only by services of the machine itself (instance metadata, App Service). */
  readonly machine: Transport;
}

export class IdentityHttp implements IdentityClient {
  readonly #open: OpenTransport;
  readonly #caCertificate: string | null;
  #connections: Connections | null = null;
  /** Why the last request did not come through; the library tells it in words of its own, or not at all. */
  failure: DroverError | null = null;

  constructor(open: OpenTransport, caCertificate: string | null) {
    this.#open = open;
    this.#caCertificate = caCertificate;
  }

  /** Requests work only inside; a token is fetched once in an hour, so no connection is kept in between. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    const settings = { caCertificate: this.#caCertificate, connectionsMax: 2 };
    const connections = { network: this.#open(settings), machine: this.#open({ ...settings, proxy: 'never' }) };
    this.#connections = connections;
    this.failure = null;
    try {
      return await work();
    } finally {
      this.#connections = null;
      await Promise.all([connections.network.close(), connections.machine.close()]);
    }
  }

  async sendRequest(request: IdentityRequest): Promise<IdentityResponse> {
    try {
      const response = await this.#send(request);
      const bodyAsText = new TextDecoder().decode(await response.bytes(ANSWER_BYTES_MAX));
      this.failure = null;
      return { request, status: response.status, headers: new ResponseHeaders(response.headers), bodyAsText };
    } catch (thrown) {
      this.failure = toDroverError(thrown);
      throw this.failure;
    }
  }

  #send(request: IdentityRequest): Promise<HttpResponse> {
    if (this.#connections === null) throw new DroverError('INTERNAL', 'A token was asked for outside of its time.');
    const { network, machine } = this.#connections;
    const url = new URL(request.url);
    const given = Object.entries(request.headers.toJSON());
    return (url.protocol === 'http:' ? machine : network).send({
      method: request.method,
      origin: url.origin,
      path: url.pathname + url.search,
      headers: Object.fromEntries(given.filter(([name]) => name !== 'host' && name !== 'content-length')),
      body: bodyOf(request.body),
      operation: 'TOKEN',
      signal: signalOf(request),
      ...(request.timeout > 0 ? { idleMsMax: request.timeout } : {}),
    });
  }
}

function bodyOf(body: unknown): RequestBody | null {
  if (body === undefined || body === null || body === '') return null;
  if (typeof body !== 'string') throw new DroverError('INTERNAL', 'A request for a token has a body that is no text.');
  const content = Buffer.from(body, 'utf8');
  return { sizeBytes: content.length, content };
}

/** Their signal is like the standard one, and not one. */
function signalOf({ abortSignal }: IdentityRequest): AbortSignal {
  if (abortSignal instanceof AbortSignal) return abortSignal;
  const controller = new AbortController();
  if (abortSignal?.aborted === true) controller.abort();
  abortSignal?.addEventListener('abort', () => controller.abort());
  return controller.signal;
}

/** What their policies expect of an answer's headers. */
class ResponseHeaders {
  readonly #values: Map<string, string>;

  constructor(values: Readonly<Record<string, string>>) {
    this.#values = new Map(Object.entries(values));
  }

  get(name: string): string | undefined {
    return this.#values.get(name.toLowerCase());
  }

  has(name: string): boolean {
    return this.#values.has(name.toLowerCase());
  }

  set(name: string, value: string | number | boolean): void {
    this.#values.set(name.toLowerCase(), String(value));
  }

  delete(name: string): void {
    this.#values.delete(name.toLowerCase());
  }

  toJSON(): Record<string, string> {
    return Object.fromEntries(this.#values);
  }

  [Symbol.iterator](): IterableIterator<[string, string]> {
    return this.#values.entries();
  }
}
