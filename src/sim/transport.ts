/** Puts simulated services behind the transport interface, with faults where a plan asks for them. */

import type { HttpRequest, HttpResponse, OpenTransport } from '../lib/transport.ts';
import type { Clock } from '../lib/world.ts';
import { DroverError } from '../model/errors.ts';
import type { SimRequest, SimResponse, SimService } from './http.ts';
import { collect, textBody } from './http.ts';
import { cancelled } from './world.ts';

export type Fault =
  /** The connection breaks before the service saw anything. */
  | { readonly kind: 'reset' }
  /** The service did it, and the answer never came. */
  | { readonly kind: 'lost-answer' }
  /** The body ends after this many bytes. */
  | { readonly kind: 'early-end'; readonly afterBytes: number }
  /** The body goes on after its end. */
  | { readonly kind: 'extra-bytes'; readonly count: number }
  /** One bit of the answer's body is wrong. */
  | { readonly kind: 'bit-flip'; readonly atByte: number }
  /** One bit of the request's body is wrong when it arrives. */
  | { readonly kind: 'request-bit-flip'; readonly atByte: number }
  /** Nothing comes, until the signal fires or the longest silence is over. */
  | { readonly kind: 'stall'; readonly when: 'before' | 'after-commit' | 'in-body' }
  /** A status instead of the service's answer. */
  | { readonly kind: 'status'; readonly status: number; readonly code: string; readonly retryAfterSeconds?: number }
  /** Status 200 with an error document, after the service did nothing. */
  | { readonly kind: 'error-inside'; readonly code: string }
  /** The answer of an earlier request with the same path up to its query, again. */
  | { readonly kind: 'repeated-page' }
  /** The entries of a listing in reverse. */
  | { readonly kind: 'reversed-page' }
  /** Something happens just before the service looks: the source changes, the clock jumps. */
  | { readonly kind: 'meanwhile'; readonly run: () => void | Promise<void> };

export interface Seen {
  /** From 0, over all requests of this transport. */
  readonly number: number;
  /** From 0, within the operation class. */
  readonly ofOperation: number;
  readonly request: HttpRequest;
}

export interface FaultOptions {
  /** Decides for every request; `null` lets it pass. */
  readonly plan?: (seen: Seen) => Fault | null;
  /** Needed to time out silently stalled requests: `idleMsMax` is waited on it. */
  readonly clock?: Clock;
  /** Sees every request that went in and the status that came out; 0 when none did. */
  readonly onAnswer?: (request: HttpRequest, status: number) => void;
}

/** `routes` names the service behind an origin; `null` is an unknown host. */
export function simTransport(routes: (origin: string) => SimService | null, options: FaultOptions = {}): OpenTransport {
  return () => {
    const counts = new Map<string, number>();
    const pages = new Map<string, SimResponse>();
    let number = 0;
    return {
      send: async (request) => {
        if (request.signal.aborted) throw cancelled();
        const ofOperation = counts.get(request.operation) ?? 0;
        counts.set(request.operation, ofOperation + 1);
        const fault = options.plan?.({ number: number++, ofOperation, request }) ?? null;
        const service = routes(request.origin);
        if (service === null) throw new DroverError('UNREACHABLE', `The name of ${request.origin} is not known.`);
        try {
          const response = await exchange(service, request, fault, pages, options);
          options.onAnswer?.(request, response.status);
          return response;
        } catch (error) {
          options.onAnswer?.(request, 0);
          throw error;
        }
      },
      close: () => Promise.resolve(),
    };
  };
}

async function exchange(
  service: SimService,
  request: HttpRequest,
  fault: Fault | null,
  pages: Map<string, SimResponse>,
  options: FaultOptions,
): Promise<HttpResponse> {
  const body = await readBody(request);
  if (fault?.kind === 'reset') throw lost(request);
  if (fault?.kind === 'stall' && fault.when === 'before') return stall(request, options);
  if (fault?.kind === 'meanwhile') await fault.run();
  if (fault?.kind === 'status') return asHttp(request, errorAnswer(fault), null, options);
  if (fault?.kind === 'error-inside') return asHttp(request, insideAnswer(fault.code), null, options);
  if (fault?.kind === 'request-bit-flip') flip(body, fault.atByte);
  const pageKey = `${request.method} ${request.origin}${request.path.split('?')[0]}`;
  const earlier = pages.get(pageKey);
  let answer =
    fault?.kind === 'repeated-page' && earlier !== undefined
      ? earlier
      : await service.handle(simRequest(request, body));
  if (request.operation === 'LIST') pages.set(pageKey, answer);
  if (request.signal.aborted) throw cancelled();
  if (fault?.kind === 'lost-answer') throw lost(request);
  if (fault?.kind === 'stall' && fault.when === 'after-commit') return stall(request, options);
  if (fault?.kind === 'reversed-page') answer = reversed(answer);
  return asHttp(request, answer, fault, options);
}

function simRequest(request: HttpRequest, body: Uint8Array): SimRequest {
  const url = new URL(request.origin);
  const sendsLength = request.body !== null || request.method === 'PUT' || request.method === 'POST';
  return {
    method: request.method,
    scheme: url.protocol === 'http:' ? 'http' : 'https',
    host: url.host,
    path: request.path,
    headers: { ...request.headers, host: url.host, ...(sendsLength ? { 'content-length': String(body.length) } : {}) },
    body,
  };
}

async function readBody(request: HttpRequest): Promise<Uint8Array> {
  if (request.body === null) return new Uint8Array(0);
  const { content, sizeBytes } = request.body;
  const chunks: Uint8Array[] = [];
  if (content instanceof Uint8Array) chunks.push(Uint8Array.from(content));
  else {
    for await (const chunk of content) {
      if (request.signal.aborted) throw cancelled();
      chunks.push(Uint8Array.from(chunk));
    }
  }
  const bytes = Buffer.concat(chunks);
  if (bytes.length < sizeBytes)
    throw new DroverError('EARLY_END', `The request body ended after ${bytes.length} of ${sizeBytes} bytes.`);
  if (bytes.length > sizeBytes)
    throw new DroverError('EXTRA_BYTES', `The request body has ${bytes.length} bytes instead of ${sizeBytes}.`);
  return bytes;
}

function lost(request: HttpRequest): DroverError {
  return new DroverError('UNAVAILABLE', `The connection to ${request.origin} was lost.`);
}

async function stall(request: HttpRequest, options: FaultOptions): Promise<never> {
  const { clock } = options;
  if (clock !== undefined) {
    await clock.sleep(request.idleMsMax ?? 60_000, request.signal);
    throw new DroverError('TIMED_OUT', `${request.origin} did not answer.`);
  }
  return new Promise((_, reject) => {
    if (request.signal.aborted) reject(cancelled());
    request.signal.addEventListener('abort', () => reject(cancelled()), { once: true });
  });
}

/** One document that both kinds of client read: `Code` and `Message` under `Error`. */
function errorXml(code: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>An injected fault.</Message><RequestId>0</RequestId></Error>`;
}

function errorAnswer(fault: Extract<Fault, { kind: 'status' }>): SimResponse {
  const body = textBody(errorXml(fault.code));
  return {
    status: fault.status,
    headers: {
      'content-type': 'application/xml',
      'content-length': String(body.sizeBytes),
      'x-ms-error-code': fault.code,
      ...(fault.retryAfterSeconds === undefined ? {} : { 'retry-after': String(fault.retryAfterSeconds) }),
    },
    body,
  };
}

function insideAnswer(code: string): SimResponse {
  return errorAnswer({ kind: 'status', status: 200, code });
}

/** Entries of an S3 or Azure listing in reverse; everything around them stays. */
function reversed(answer: SimResponse): SimResponse {
  const text = collect(answer.body).toString('utf8');
  const entries = text.match(/<(Contents|Version|Blob)>[^]*?<\/\1>/g) ?? [];
  let next = entries.length;
  const body = textBody(text.replace(/<(Contents|Version|Blob)>[^]*?<\/\1>/g, () => entries[--next]!));
  return { ...answer, headers: { ...answer.headers, 'content-length': String(body.sizeBytes) }, body };
}

function flip(bytes: Uint8Array, at: number): void {
  if (bytes.length > 0) bytes[at % bytes.length]! ^= 1;
}

function asHttp(request: HttpRequest, answer: SimResponse, fault: Fault | null, options: FaultOptions): HttpResponse {
  const isHead = request.method === 'HEAD';
  const body = isHead ? empty() : faultyBody(request, answer, fault, options);
  const { 'content-length': _length, ...unmeasured } = answer.headers;
  return {
    status: answer.status,
    // A body that goes on is only possible where its length was not announced.
    headers: fault?.kind === 'extra-bytes' ? unmeasured : answer.headers,
    body,
    bytes: async (bytesMax) => {
      const chunks: Uint8Array[] = [];
      let sizeBytes = 0;
      for await (const chunk of body) {
        sizeBytes += chunk.length;
        if (sizeBytes > bytesMax) throw new DroverError('EXTRA_BYTES', `The answer is larger than ${bytesMax} bytes.`);
        chunks.push(chunk);
      }
      return Buffer.concat(chunks);
    },
    discard: async () => {
      await body.return?.(undefined);
    },
  };
}

async function* empty(): AsyncGenerator<Uint8Array> {}

async function* faultyBody(
  request: HttpRequest,
  answer: SimResponse,
  fault: Fault | null,
  options: FaultOptions,
): AsyncGenerator<Uint8Array> {
  let at = 0;
  for (const chunk of answer.body.chunks()) {
    // A turn of the loop, so that cancelling in the middle of a body is possible.
    await Promise.resolve();
    if (request.signal.aborted) throw cancelled();
    if (fault?.kind === 'stall' && fault.when === 'in-body') await stall(request, options);
    if (fault?.kind === 'early-end' && at + chunk.length > fault.afterBytes) {
      yield chunk.subarray(0, fault.afterBytes - at);
      throw new DroverError(
        'EARLY_END',
        `The answer of ${request.origin} ended after ${fault.afterBytes} of ${answer.body.sizeBytes} bytes.`,
      );
    }
    if (fault?.kind === 'bit-flip' && fault.atByte >= at && fault.atByte < at + chunk.length)
      chunk[fault.atByte - at]! ^= 1;
    at += chunk.length;
    yield chunk;
  }
  if (fault?.kind === 'extra-bytes') yield new Uint8Array(fault.count).fill(0x78);
}
