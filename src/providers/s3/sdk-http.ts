/**
 * Carries the requests of the AWS libraries over our own transport, so that a connector's CA certificate and the
 * process's proxies hold for signing in as they do for objects. What they ask the machine itself (instance metadata,
 * containers) goes another way, straight to it.
 */
import { Readable } from 'node:stream';
import type { OpenTransport, RequestBody, Transport } from '../../lib/transport.ts';
import { DroverError, toDroverError } from '../../model/errors.ts';

const ANSWER_BYTES_MAX = 4 * 1024 * 1024;

/** The parts of their request that a call for credentials has. */
interface SdkRequest {
  readonly method: string;
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number;
  readonly path: string;
  readonly query?: Readonly<Record<string, string | readonly string[] | null>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

interface SdkOptions {
  readonly abortSignal?: unknown;
}

export class SdkHttp {
  readonly metadata = { handlerProtocol: 'http/1.1' };
  readonly #transport: Transport;
  /** Why the last request did not come through; `null` when it did. */
  failure: DroverError | null = null;

  constructor(open: OpenTransport, caCertificate: string | null) {
    this.#transport = open({ caCertificate, connectionsMax: 2 });
  }

  async handle(request: SdkRequest, options: SdkOptions = {}) {
    try {
      const answer = await this.#send(request, options);
      this.failure = null;
      return answer;
    } catch (thrown) {
      this.failure = toDroverError(thrown);
      throw this.failure;
    }
  }

  async #send(request: SdkRequest, options: SdkOptions) {
    const port = request.port === undefined ? '' : `:${request.port}`;
    const given = Object.entries(request.headers).map(([name, value]) => [name.toLowerCase(), value] as const);
    const response = await this.#transport.send({
      method: request.method,
      origin: `${request.protocol}//${request.hostname}${port}`,
      path: request.path + queryOf(request.query),
      headers: Object.fromEntries(given.filter(([name]) => name !== 'host' && name !== 'content-length')),
      body: bodyOf(request.body),
      operation: 'TOKEN',
      signal: options.abortSignal instanceof AbortSignal ? options.abortSignal : new AbortController().signal,
    });
    const bytes = await response.bytes(ANSWER_BYTES_MAX);
    return {
      response: { statusCode: response.status, headers: { ...response.headers }, body: Readable.from([bytes]) },
    };
  }

  updateHttpClientConfig(): void {
    // The connector's settings are the only ones.
  }

  httpHandlerConfigs(): object {
    return {};
  }

  /** Their clients may destroy what they were given; the connections are ours. */
  destroy(): void {}

  close(): Promise<void> {
    return this.#transport.close();
  }
}

function bodyOf(body: unknown): RequestBody | null {
  if (body === undefined || body === null || body === '') return null;
  if (typeof body !== 'string' && !(body instanceof Uint8Array)) {
    throw new DroverError('INTERNAL', 'A request for credentials has a body that is no text.');
  }
  const content = Buffer.from(body);
  return { sizeBytes: content.length, content };
}

function queryOf(query: SdkRequest['query']): string {
  const pairs = Object.entries(query ?? {}).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).map((each: string | null) =>
      each === null ? encodeURIComponent(name) : `${encodeURIComponent(name)}=${encodeURIComponent(each)}`,
    ),
  );
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`;
}
