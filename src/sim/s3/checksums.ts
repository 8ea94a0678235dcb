/** Digests that uploads carry: checked, kept, and given back. */

import type { Checksum } from '../checksum.ts';
import { CHECKSUMS, CHECKSUM_BYTES } from '../checksum.ts';
import type { Content } from '../content.ts';
import type { Call } from './call.ts';
import { S3Error } from './error.ts';
import type { StoredChecksum } from './state.ts';

/** `Content-MD5` must be a digest, and the right one. */
export function checkContentMd5(call: Call, content: Content): void {
  const sent = call.headers['content-md5'];
  if (sent === undefined) return;
  const bytes = Buffer.from(sent, 'base64');
  if (bytes.length !== 16 || bytes.toString('base64') !== sent) {
    throw new S3Error('InvalidDigest', 'The Content-MD5 you specified was invalid.', {
      fields: { 'Content-MD5': sent },
    });
  }
  if (!bytes.equals(content.digest('MD5'))) {
    throw new S3Error('BadDigest', 'The Content-MD5 you specified did not match what we received.', {
      fields: { ExpectedDigest: sent, CalculatedDigest: content.digest('MD5').toString('base64') },
    });
  }
}

/** The one checksum that headers or trailers name, with its value; `null` when there is none. */
export function sentChecksum(call: Call): { kind: Checksum; value: string } | null {
  const all = { ...call.headers, ...call.trailers };
  const sent = Object.entries(all).filter(
    ([name]) => name.startsWith('x-amz-checksum-') && !/^x-amz-checksum-(type|algorithm|mode)$/.test(name),
  );
  const promised = call.headers['x-amz-sdk-checksum-algorithm'];
  if (sent.length > 1) {
    throw new S3Error(
      'InvalidRequest',
      'Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.',
    );
  }
  if (sent.length === 0) {
    if (promised !== undefined && !call.query.has('uploads')) {
      throw new S3Error(
        'InvalidRequest',
        'x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.',
      );
    }
    return null;
  }
  const [name, value] = sent[0]!;
  const kind = checksumKind(name.slice('x-amz-checksum-'.length));
  if (promised !== undefined && promised.toUpperCase() !== kind) {
    throw new S3Error('InvalidRequest', 'Value for x-amz-sdk-checksum-algorithm header is invalid.');
  }
  if (Buffer.from(value, 'base64').length !== CHECKSUM_BYTES[kind]) {
    throw new S3Error('InvalidRequest', `Value for ${name} header is invalid.`);
  }
  return { kind, value };
}

export function checksumKind(text: string): Checksum {
  const kind = CHECKSUMS.find((known) => known === text.toUpperCase());
  if (kind === undefined) {
    throw new S3Error('InvalidRequest', 'The algorithm type you specified in x-amz-checksum- header is invalid.');
  }
  return kind;
}

/** Checks what was sent; computes CRC64NVME where nothing was, as AWS does since 2025. `null` from RGW 16: it looks at nothing. */
export function settleChecksum(call: Call, content: Content): { kind: Checksum; value: string } | null {
  if (call.world.dialect === 'rgw') return null;
  const sent = sentChecksum(call);
  const kind = sent?.kind ?? 'CRC64NVME';
  const value = content.digest(kind).toString('base64');
  if (sent !== null && sent.value !== value) {
    throw new S3Error('BadDigest', `The ${kind} you specified did not match the calculated checksum.`);
  }
  return { kind, value };
}

export function checksumHeaders(checksum: StoredChecksum | null): Record<string, string> {
  if (checksum === null) return {};
  return {
    [`x-amz-checksum-${checksum.kind.toLowerCase()}`]: checksum.value,
    'x-amz-checksum-type': checksum.type,
  };
}

/** Name of the element that carries this kind in XML. */
export function checksumElement(kind: string): string {
  return `Checksum${kind}`;
}
