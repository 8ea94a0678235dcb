/** Bodies in `aws-chunked` framing: signed or not, with or without a trailer. */

import { S3Error } from './error.ts';
import type { Signer } from './auth.ts';
import { hmac, sameText, sha256 } from './auth.ts';

const EMPTY_SHA256 = sha256(new Uint8Array(0));

export interface Unframed {
  readonly bytes: Uint8Array;
  /** Lower-case names. */
  readonly trailers: Readonly<Record<string, string>>;
}

/** The content inside the framing; the body itself when there is none. */
export function unframe(body: Uint8Array, signer: Signer | null, decodedLength: string | undefined): Unframed {
  const mode = signer?.payloadHash ?? '';
  if (!mode.startsWith('STREAMING-')) return { bytes: body, trailers: {} };
  const signed = mode.startsWith('STREAMING-AWS4-HMAC-SHA256-PAYLOAD');
  const reader = new Reader(Buffer.from(body.buffer, body.byteOffset, body.byteLength));
  const chunks: Uint8Array[] = [];
  let previous = signer?.chunks?.seed ?? '';
  for (;;) {
    const match = /^([0-9a-fA-F]+)(?:;chunk-signature=([0-9a-f]{64}))?$/.exec(reader.line());
    if (match === null) throw incomplete();
    const bytes = reader.take(Number.parseInt(match[1]!, 16));
    if (signed) previous = checkChunk(signer!, previous, bytes, match[2] ?? '');
    if (bytes.length === 0) break;
    reader.line();
    chunks.push(bytes);
  }
  const trailers = readTrailers(reader, signed && mode.endsWith('-TRAILER') ? signer : null, previous);
  const bytes = Buffer.concat(chunks);
  if (decodedLength === undefined || Number(decodedLength) !== bytes.length) throw incomplete();
  return { bytes, trailers };
}

function checkChunk(signer: Signer, previous: string, bytes: Uint8Array, signature: string): string {
  const { signingKey, date, scope } = signer.chunks!;
  const toSign = ['AWS4-HMAC-SHA256-PAYLOAD', date, scope, previous, EMPTY_SHA256, sha256(bytes)].join('\n');
  const expected = hmac(signingKey, toSign).toString('hex');
  if (!sameText(expected, signature)) throw wrongSignature();
  return expected;
}

function readTrailers(reader: Reader, signer: Signer | null, previous: string): Record<string, string> {
  const trailers: Record<string, string> = {};
  let text = '';
  let signature = '';
  for (let line = reader.line(true); line !== ''; line = reader.line(true)) {
    const colon = line.indexOf(':');
    if (colon < 0) throw incomplete();
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    if (name === 'x-amz-trailer-signature') signature = value;
    else {
      trailers[name] = value;
      text += `${name}:${value}\n`;
    }
  }
  if (signer !== null) {
    const { signingKey, date, scope } = signer.chunks!;
    const toSign = ['AWS4-HMAC-SHA256-TRAILER', date, scope, previous, sha256(Buffer.from(text))].join('\n');
    if (!sameText(hmac(signingKey, toSign).toString('hex'), signature)) throw wrongSignature();
  }
  return trailers;
}

class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** The next line without its end; at the very end of the body only where that is allowed. */
  line(mayEnd = false): string {
    const end = this.#bytes.indexOf('\r\n', this.#at);
    if (end < 0) {
      if (mayEnd && this.#at >= this.#bytes.length) return '';
      throw incomplete();
    }
    const text = this.#bytes.toString('latin1', this.#at, end);
    this.#at = end + 2;
    return text;
  }

  take(length: number): Uint8Array {
    if (this.#at + length > this.#bytes.length) throw incomplete();
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
}

function incomplete(): S3Error {
  return new S3Error('InvalidRequest', 'The chunked body is incomplete or malformed.');
}

function wrongSignature(): S3Error {
  return new S3Error('SignatureDoesNotMatch', 'The signature of a chunk does not match.');
}
