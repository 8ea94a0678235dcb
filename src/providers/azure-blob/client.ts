/** One storage account on the wire: addresses, versions, signing, and errors that say what happened. */
import type { Clock, Log } from '../../lib/world.ts';
import type { HttpResponse, RequestBody, Transport } from '../../lib/transport.ts';
import { DroverError } from '../../model/errors.ts';
import { authorizationHeader, type SignIn } from './credentials.ts';
import { encodeBlobName, encodeQueryValue } from './names.ts';
import { refusal, type Refused } from './refusal.ts';

/** Newest first. A cloud that lags behind refuses the first ones, and the client steps down. */
export const API_VERSIONS = ['2026-04-06', '2023-11-03', '2020-12-06'] as const;
/** The oldest version in which a listing can begin at a name. */
export const START_FROM_VERSION = '2026-02-06';
const ERROR_BYTES_MAX = 64 * 1024;
/** The service tolerates 15 minutes; a smaller difference is not why it refused. */
const SKEW_MS_MIN = 5 * 60_000;

export interface BlobRequest {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'DELETE' | 'POST';
  /** Class for counting and limiting. */
  readonly operation: string;
  readonly container?: string;
  /** Full name inside the container. */
  readonly blob?: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: RequestBody;
  readonly signal: AbortSignal;
  /** Statuses that are success; anything else throws. */
  readonly accepts: readonly number[];
  /** Key for messages; the blob's name where it is missing. */
  readonly key?: string;
  /** Silence to bear while the service fetches or assembles. */
  readonly idleMsMax?: number;
}

export interface ClientOptions {
  readonly signIn: SignIn;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly log: Log;
}

export class BlobClient {
  readonly signIn: SignIn;
  readonly clock: Clock;
  readonly log: Log;
  readonly #transport: Transport;
  #version: (typeof API_VERSIONS)[number] = API_VERSIONS[0];
  /** What must be added to our clock to have the service's. */
  #clockOffsetMs = 0;

  constructor(options: ClientOptions) {
    this.signIn = options.signIn;
    this.clock = options.clock;
    this.log = options.log;
    this.#transport = options.transport;
  }

  get version(): string {
    return this.#version;
  }

  /** Milliseconds since 1970 by the service's clock, as far as it is known. */
  now(): number {
    return this.clock.now() + this.#clockOffsetMs;
  }

  /** Answers with one of `accepts`, or throws what the answer means. The caller reads or discards the body. */
  async send(request: BlobRequest): Promise<HttpResponse> {
    for (let attempt = 0; ; attempt++) {
      const response = await this.#sendOnce(request);
      if (request.accepts.includes(response.status)) return response;
      const refused = await readRefusal(response);
      if (attempt < API_VERSIONS.length && isReplayable(request) && this.#adapt(refused)) continue;
      throw refusal(refused, request, this.signIn, this.now());
    }
  }

  /** As `send`, for answers whose body does not matter. */
  async sendAndDiscard(request: BlobRequest): Promise<HttpResponse> {
    const response = await this.send(request);
    await response.discard();
    return response;
  }

  /** The whole body as text. */
  async sendForText(request: BlobRequest, bytesMax: number): Promise<string> {
    const response = await this.send(request);
    return Buffer.from(await response.bytes(bytesMax)).toString('utf8');
  }

  /** Path as it goes on the wire. */
  pathOf(container?: string, blob?: string): string {
    let path = this.signIn.basePath;
    if (container !== undefined) path += `/${encodeURIComponent(container).replace('%24', '$')}`;
    if (blob !== undefined) path += `/${encodeBlobName(blob)}`;
    return path === this.signIn.basePath ? `${path}/` : path;
  }

  urlOf(container: string, blob: string): string {
    return `${this.signIn.origin}${this.pathOf(container, blob)}`;
  }

  close(): Promise<void> {
    return this.#transport.close();
  }

  async #sendOnce(request: BlobRequest): Promise<HttpResponse> {
    const { credential } = this.signIn;
    const query = { ...request.query, ...(credential.kind === 'sas' ? credential.token.parameters : {}) };
    const path = this.pathOf(request.container, request.blob);
    const headers: Record<string, string> = {
      ...request.headers,
      'x-ms-version': this.#version,
      'x-ms-date': new Date(this.now()).toUTCString(),
    };
    const body = request.body ?? (request.method === 'PUT' ? EMPTY_BODY : null);
    const bodyBytes = body?.sizeBytes ?? 0;
    const signable = { method: request.method, path, query, headers, bodyBytes };
    const authorization = await authorizationHeader(this.signIn, signable, request.signal);
    if (authorization !== null) headers['authorization'] = authorization;
    return this.#transport.send({
      method: request.method,
      origin: this.signIn.origin,
      path: `${path}${queryText(query)}`,
      headers,
      body,
      operation: request.operation,
      signal: request.signal,
      ...(request.idleMsMax === undefined ? {} : { idleMsMax: request.idleMsMax }),
    });
  }

  /** True when something was changed so that trying again makes sense. */
  #adapt(refused: Refused): boolean {
    if (refused.serviceCode === 'InvalidHeaderValue' && /x-ms-version/i.test(refused.text)) {
      const next = API_VERSIONS[API_VERSIONS.indexOf(this.#version) + 1];
      if (next === undefined) return false;
      this.log('info', 'The blob service does not know the newest protocol version; an older one is used.', { next });
      this.#version = next;
      return true;
    }
    if (refused.serviceCode !== 'AuthenticationFailed' || this.signIn.credential.kind !== 'key') return false;
    const serverMs = Date.parse(refused.headers['date'] ?? '');
    if (Number.isNaN(serverMs) || Math.abs(serverMs - this.now()) < SKEW_MS_MIN) return false;
    this.#clockOffsetMs = serverMs - this.clock.now();
    this.log('warn', 'The clock of this machine is wrong; requests are signed with the time of the service.', {
      differenceSeconds: Math.round(this.#clockOffsetMs / 1000),
    });
    return true;
  }
}

const EMPTY_BODY: RequestBody = { sizeBytes: 0, content: new Uint8Array(0) };

export function queryText(query: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(query).map(([name, value]) => `${encodeQueryValue(name)}=${encodeQueryValue(value)}`);
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`;
}

/** A document as a request body. */
export function textBody(text: string): RequestBody {
  const content = Buffer.from(text, 'utf8');
  return { sizeBytes: content.length, content };
}

function isReplayable(request: BlobRequest): boolean {
  return request.body === undefined || request.body.content instanceof Uint8Array;
}

async function readRefusal(response: HttpResponse): Promise<Refused> {
  let text = '';
  try {
    text = Buffer.from(await response.bytes(ERROR_BYTES_MAX)).toString('utf8');
  } catch (thrown) {
    if (thrown instanceof DroverError && thrown.code === 'CANCELLED') throw thrown;
    // The headers say enough when the rest of a refusal is lost.
    await response.discard();
  }
  const serviceCode = response.headers['x-ms-error-code'] ?? /<Code>([^<]+)<\/Code>/.exec(text)?.[1] ?? null;
  return { status: response.status, serviceCode, headers: response.headers, text };
}
