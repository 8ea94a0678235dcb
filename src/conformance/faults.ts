/** Disturbing the n-th request of an operation, below everything that Drover puts around a transport. */
import type { HttpRequest, HttpResponse, OpenTransport, Transport } from '../lib/transport.ts';
import { DroverError } from '../model/errors.ts';

export const FAULT_KINDS = [
  /** The connection breaks before anything is sent. */
  'reset',
  /** The service did it; its answer never came. */
  'lost-answer',
  'status-500',
  /** 503 with `Retry-After: 1`. */
  'slow-down',
  /** The body stops half-way and claims to be whole. */
  'early-end',
  /** The connection breaks half-way through the body. */
  'broken-body',
  'extra-bytes',
  /** 200 to a request for a range. */
  'whole-instead-of-range',
  /** 206, but of other bytes than were asked for. */
  'other-range',
  /** Nothing comes until the signal fires. */
  'stall',
] as const;

export type FaultKind = (typeof FAULT_KINDS)[number];

export interface Faults {
  readonly kinds: readonly FaultKind[];
  /** Disturbs the n-th request from now on (1 = the next), once. Counting starts anew. */
  arm(nth: number, kind: FaultKind): void;
  disarm(): void;
  /** Requests since `arm` or `disarm`. */
  readonly count: number;
  /** Whether the armed fault came to pass. */
  readonly hasFired: boolean;
  /** Resolves when the armed fault comes to pass. */
  readonly fired: Promise<void>;
}

/** Faults for providers that speak through a transport. */
export class FaultTransport implements Faults {
  readonly kinds = FAULT_KINDS;
  count = 0;
  hasFired = false;
  /** Bodies that were begun and neither finished nor left. */
  openBodies = 0;
  #nth = 0;
  #kind: FaultKind | null = null;
  #firing = Promise.withResolvers<void>();

  get fired(): Promise<void> {
    return this.#firing.promise;
  }

  arm(nth: number, kind: FaultKind): void {
    this.#firing = Promise.withResolvers<void>();
    this.count = 0;
    this.hasFired = false;
    this.#nth = nth;
    this.#kind = kind;
  }

  disarm(): void {
    this.count = 0;
    this.#kind = null;
  }

  /** Puts the faults around a transport. */
  readonly wrap = (open: OpenTransport): OpenTransport => {
    return (settings) => {
      const inner = open(settings);
      return {
        send: (request) => this.#send(inner, request),
        close: () => inner.close(),
      };
    };
  };

  async #send(inner: Transport, request: HttpRequest): Promise<HttpResponse> {
    this.count += 1;
    if (this.#kind === null || this.count !== this.#nth) return this.#watched(request, await inner.send(request), null);
    const kind = this.#kind;
    this.#kind = null;
    this.hasFired = true;
    this.#firing.resolve();
    return await this.#disturbed(inner, request, kind);
  }

  async #disturbed(inner: Transport, request: HttpRequest, kind: FaultKind): Promise<HttpResponse> {
    switch (kind) {
      case 'reset':
        throw new DroverError('UNAVAILABLE', 'The connection was reset before anything was sent.');
      case 'lost-answer': {
        const answer = await inner.send(request);
        await answer.discard();
        throw new DroverError('UNAVAILABLE', 'The connection was lost before the answer came.');
      }
      case 'status-500':
        return emptyAnswer(500, {});
      case 'slow-down':
        return emptyAnswer(503, { 'retry-after': '1' });
      case 'stall':
        throw await stalled(request.signal);
      default:
        return this.#watched(request, await inner.send(request), kind);
    }
  }

  #watched(request: HttpRequest, answer: HttpResponse, wanted: FaultKind | null): HttpResponse {
    // An answer to HEAD has no body, only the length of what GET would give.
    const kind = request.method === 'HEAD' ? null : wanted;
    const { status, headers } = head(answer, kind);
    const lengthBytes = Number(answer.headers['content-length'] ?? Number.NaN);
    const body = this.#counted(kind === null ? answer.body : distorted(answer.body, kind, lengthBytes));
    return {
      status,
      headers,
      body,
      bytes: kind === null ? (bytesMax) => answer.bytes(bytesMax) : (bytesMax) => collected(body, bytesMax),
      discard: () => answer.discard(),
    };
  }

  async *#counted(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    this.openBodies += 1;
    try {
      yield* body;
    } finally {
      this.openBodies -= 1;
    }
  }
}

function head(answer: HttpResponse, kind: FaultKind | null): Pick<HttpResponse, 'status' | 'headers'> {
  const headers = { ...answer.headers };
  const lengthBytes = Number(headers['content-length'] ?? Number.NaN);
  if (Number.isInteger(lengthBytes)) {
    if (kind === 'early-end') headers['content-length'] = String(Math.floor(lengthBytes / 2));
    if (kind === 'extra-bytes') headers['content-length'] = String(lengthBytes + 1);
  }
  if (answer.status !== 206) return { status: answer.status, headers };
  if (kind === 'whole-instead-of-range') {
    delete headers['content-range'];
    return { status: 200, headers };
  }
  if (kind === 'other-range') {
    headers['content-range'] = (headers['content-range'] ?? '').replace(
      /(\d+)-(\d+)/,
      (_all, from: string, to: string) => `${Number(from) + 1}-${Number(to) + 1}`,
    );
  }
  return { status: answer.status, headers };
}

async function* distorted(
  body: AsyncIterable<Uint8Array>,
  kind: FaultKind,
  lengthBytes: number,
): AsyncGenerator<Uint8Array> {
  const stopAt =
    kind === 'early-end' || kind === 'broken-body' ? Math.floor(lengthBytes / 2) : Number.POSITIVE_INFINITY;
  let seenBytes = 0;
  for await (const chunk of body) {
    // Without a declared length the first chunk is cut in half.
    const limit = Number.isNaN(stopAt) ? Math.floor(chunk.length / 2) : stopAt;
    if (seenBytes + chunk.length > limit) {
      yield chunk.subarray(0, limit - seenBytes);
      if (kind === 'broken-body') throw new DroverError('UNAVAILABLE', 'The connection was lost in the middle.');
      return;
    }
    seenBytes += chunk.length;
    yield chunk;
  }
  if (kind === 'extra-bytes') yield new Uint8Array([0x78]);
  if (kind === 'broken-body') throw new DroverError('UNAVAILABLE', 'The connection was lost at the end.');
}

async function collected(body: AsyncIterable<Uint8Array>, bytesMax: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of body) {
    sizeBytes += chunk.length;
    if (sizeBytes > bytesMax) throw new DroverError('EXTRA_BYTES', `The answer has more than ${bytesMax} bytes.`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function emptyAnswer(status: number, headers: Readonly<Record<string, string>>): HttpResponse {
  return {
    status,
    headers: { ...headers, 'content-length': '0' },
    body: (async function* () {})(),
    bytes: async () => new Uint8Array(),
    discard: async () => {},
  };
}

function stalled(signal: AbortSignal): Promise<DroverError> {
  return new Promise((resolve) => {
    const stop = (): void => resolve(new DroverError('CANCELLED', 'The work was stopped.', { cause: signal.reason }));
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
}
