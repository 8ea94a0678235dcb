/** Answers on the wire: JSON, lines, files. */
import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { DroverError } from '../model/errors.ts';
import { problemOf, PROBLEM_TYPE, STATUS } from './problems.ts';
import { API_BASE } from './routes/all.ts';
import type { FileAnswer, Route } from './routes/route.ts';

export interface JsonAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Status, ETag and place of what was made or found. */
export function jsonAnswer(route: Route, value: unknown): JsonAnswer {
  const { version, id } = entityOf(value);
  const isNew = route.creates;
  const collection = route.path.split('/').at(-1);
  return {
    status: isNew ? 201 : 200,
    headers: {
      'content-type': 'application/json; charset=utf-8',
      ...(version === undefined ? {} : { etag: `"${version}"` }),
      ...(isNew && id !== undefined ? { location: `${API_BASE}/${placeOf(route, collection)}/${id}` } : {}),
    },
    body: JSON.stringify(value),
  };
}

/** Those whose path does not end with the collection that the entity lies in. */
const ELSEWHERE: Readonly<Record<string, string>> = { duplicateJob: 'jobs', addAccountConnector: 'connectors' };

function placeOf({ name }: Route, collection: string | undefined): string {
  return ELSEWHERE[name] ?? collection ?? '';
}

/** What was made may come with a secret beside it. */
function entityOf(value: unknown): { id?: string; version?: number } {
  const given = value as Record<string, unknown> | null;
  if (typeof given !== 'object' || given === null) return {};
  const inner = ['token', 'subscription'].map((name) => given[name]).find((each) => typeof each === 'object');
  const { id, version } = (inner ?? given) as Record<string, unknown>;
  return {
    ...(typeof id === 'string' ? { id } : {}),
    ...(typeof version === 'number' ? { version } : {}),
  };
}

export function sendJson(reply: FastifyReply, { status, headers, body }: JsonAnswer): FastifyReply {
  return reply.code(status).headers(headers).send(body);
}

export function sendProblem(reply: FastifyReply, thrown: unknown, requestId: string): FastifyReply {
  const problem = problemOf(thrown, requestId);
  const retryAfterMs = thrown instanceof DroverError ? thrown.retryAfterMs : null;
  if (retryAfterMs !== null) void reply.header('retry-after', String(Math.ceil(retryAfterMs / 1_000)));
  if (problem.status === STATUS.NOT_SIGNED_IN) void reply.header('www-authenticate', 'Bearer realm="Drover"');
  return reply.code(problem.status).type(PROBLEM_TYPE).send(JSON.stringify(problem));
}

/** The first line is waited for, so that what fails at once has its own status. */
export async function sendLines(reply: FastifyReply, lines: AsyncIterable<unknown>, requestId: string): Promise<void> {
  const iterator = lines[Symbol.asyncIterator]();
  const first = await iterator.next();
  async function* text(): AsyncGenerator<string> {
    try {
      for (let step = first; step.done !== true; step = await iterator.next()) yield `${JSON.stringify(step.value)}\n`;
    } catch (thrown) {
      yield `${JSON.stringify({ problem: problemOf(thrown, requestId) })}\n`;
    } finally {
      await iterator.return?.();
    }
  }
  void reply
    .header('content-type', 'application/x-ndjson')
    .header('cache-control', 'no-store')
    .header('x-accel-buffering', 'no');
  void reply.send(Readable.from(text(), { objectMode: false }));
}

export async function sendFile(request: FastifyRequest, reply: FastifyReply, file: FileAnswer): Promise<void> {
  const { fileName, mediaType, sizeBytes, sha256 } = file;
  const range = rangeOf(request.headers.range, sizeBytes);
  if (range === 'unsatisfiable') {
    void reply.header('content-range', `bytes */${sizeBytes ?? 0}`);
    await closeOf(file.content);
    void reply.code(416).send();
    return;
  }
  void reply
    .header('content-type', mediaType)
    .header('content-disposition', dispositionOf(fileName))
    // A report is a page made of other people's names: it may run nothing and load nothing.
    .header('content-security-policy', "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox")
    .header('cache-control', 'private, no-transform')
    .header('accept-ranges', sizeBytes === null ? 'none' : 'bytes');
  if (sha256 !== null) void reply.header('etag', `"${sha256}"`);
  if (range === null) {
    if (sizeBytes !== null) void reply.header('content-length', String(sizeBytes));
    void reply.send(Readable.from(file.content, { objectMode: false }));
    return;
  }
  const { from, to } = range;
  void reply
    .code(206)
    .header('content-range', `bytes ${from}-${to}/${sizeBytes}`)
    .header('content-length', String(to - from + 1));
  void reply.send(Readable.from(slice(file.content, from, to), { objectMode: false }));
}

async function closeOf(content: AsyncIterable<Uint8Array>): Promise<void> {
  await content[Symbol.asyncIterator]().return?.();
}

interface ByteRange {
  readonly from: number;
  /** The last byte, included. */
  readonly to: number;
}

/** One range; several, or anything else, is answered with the whole. */
export function rangeOf(header: string | undefined, sizeBytes: number | null): ByteRange | 'unsatisfiable' | null {
  const [, first = '', last = ''] = /^bytes=(\d*)-(\d*)$/.exec(header ?? '') ?? [];
  if (sizeBytes === null || (first === '' && last === '')) return null;
  if (first === '') {
    const length = Math.min(Number(last), sizeBytes);
    return length === 0 ? 'unsatisfiable' : { from: sizeBytes - length, to: sizeBytes - 1 };
  }
  const from = Number(first);
  const to = last === '' ? sizeBytes - 1 : Math.min(Number(last), sizeBytes - 1);
  if (last !== '' && Number(last) < from) return null;
  return from >= sizeBytes ? 'unsatisfiable' : { from, to };
}

async function* slice(content: AsyncIterable<Uint8Array>, from: number, to: number): AsyncGenerator<Uint8Array> {
  let at = 0;
  for await (const chunk of content) {
    const piece = chunk.subarray(Math.max(0, from - at), Math.max(0, to + 1 - at));
    at += chunk.byteLength;
    if (piece.byteLength > 0) yield piece;
    if (at > to) return;
  }
}

/** RFC 6266: a plain name for old programs, the true one beside it. */
function dispositionOf(fileName: string): string {
  const plain = fileName.replaceAll(/[^\x20-\x7e]|["\\]/g, '_');
  const encoded = encodeURIComponent(fileName).replaceAll(
    /['()*]/g,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `attachment; filename="${plain}"; filename*=UTF-8''${encoded}`;
}
