/** Put Blob From URL, Put Block From URL, Copy Blob: content that the service fetches by itself. */

import type { Content } from '../content.ts';
import { contentOf } from '../content.ts';
import type { SimResponse } from '../http.ts';
import { EMPTY_BODY } from '../http.ts';
import { attributesFrom } from './attributes.ts';
import { AzureError } from './error.ts';
import type { BlobCall } from './state.ts';
import { checkBody, created, crc64Of, digestHeaders, permitWrite, stage, store, tooLarge } from './write.ts';

const URL_BYTES_MAX = 2048;
const MIB = 1024 * 1024;

interface Fetched {
  readonly content: Content;
  readonly headers: Readonly<Record<string, string>>;
  readonly url: string;
}

async function fetchSource(call: BlobCall): Promise<Fetched> {
  const url = call.headers['x-ms-copy-source'] ?? '';
  if (Buffer.byteLength(url) > URL_BYTES_MAX || !URL.canParse(url)) {
    throw new AzureError(
      'InvalidHeaderValue',
      'The value for one of the HTTP headers is not in the correct format: x-ms-copy-source.',
    );
  }
  if (call.request.body.length > 0) {
    throw new AzureError(
      'InvalidHeaderValue',
      'The value for one of the HTTP headers is not in the correct format: Content-Length.',
    );
  }
  const headers: Record<string, string> = {};
  const range = call.headers['x-ms-source-range'];
  if (range !== undefined) headers['range'] = range;
  const token = call.headers['x-ms-copy-source-authorization'];
  if (token !== undefined) headers['authorization'] = token;
  for (const name of ['if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since']) {
    const value = call.headers[`x-ms-source-${name}`];
    if (value !== undefined) headers[name] = value;
  }
  const answer = await call.world.options.fetchUrl?.(url, headers).catch(() => undefined);
  if (answer === undefined) throw cannotVerify(404, 'The source host cannot be reached.');
  if (answer.status === 412 || answer.status === 304) {
    throw new AzureError(
      'SourceConditionNotMet',
      'The source condition specified using HTTP conditional header(s) is not met.',
    );
  }
  if (answer.status !== 200 && answer.status !== 206)
    throw cannotVerify(answer.status, 'The source answered with an error.');
  if (range !== undefined && answer.status !== 206) throw cannotVerify(400, 'The source does not give ranges.');
  const content = contentOf(answer.body);
  checkBody(content, call.headers['x-ms-source-content-md5'], call.headers['x-ms-source-content-crc64']);
  return { content, headers: answer.headers, url };
}

function cannotVerify(status: number, message: string): AzureError {
  return new AzureError('CannotVerifyCopySource', message, {
    status: status >= 400 ? status : 404,
    headers: { 'x-ms-copy-source-status-code': String(status) },
  });
}

export async function putBlockFromUrl(call: BlobCall): Promise<SimResponse> {
  permitWrite(call);
  const { content } = await fetchSource(call);
  stage(call, content);
  const askedMd5 = call.headers['x-ms-source-content-md5'] !== undefined;
  return {
    status: 201,
    headers: { 'x-ms-request-server-encrypted': 'true', ...digestHeaders(content, askedMd5) },
    body: EMPTY_BODY,
  };
}

export async function putBlobFromUrl(call: BlobCall): Promise<SimResponse> {
  permitWrite(call);
  if (call.headers['x-ms-source-range'] !== undefined)
    throw new AzureError('UnsupportedHeader', 'x-ms-source-range is not supported here.');
  const source = await fetchSource(call);
  if (source.content.sizeBytes > (call.world.options.putBytesMax ?? 5000 * MIB)) throw tooLarge();
  const blob = storeCopy(call, source, call.headers['x-ms-copy-source-blob-properties'] !== 'false');
  return created(blob, {
    'content-md5': source.content.digest('MD5').toString('base64'),
    'x-ms-content-crc64': crc64Of(source.content),
  });
}

/** With `x-ms-requires-sync` up to 256 MiB; without, the same at once, as small copies end before anybody asks. */
export async function copyBlob(call: BlobCall): Promise<SimResponse> {
  permitWrite(call);
  const source = await fetchSource(call);
  const sync = call.headers['x-ms-requires-sync'] === 'true';
  if (sync && source.content.sizeBytes > 256 * MIB) throw tooLarge();
  const blob = storeCopy(call, source, true);
  return {
    ...created(blob, {
      'x-ms-copy-id': blob.copyStatus!.id,
      'x-ms-copy-status': 'success',
      ...(sync ? { 'x-ms-content-crc64': crc64Of(source.content) } : {}),
    }),
    status: 202,
  };
}

function storeCopy(call: BlobCall, source: Fetched, withProperties: boolean): ReturnType<typeof store> {
  const asked = attributesFrom(call, false);
  const properties: Record<string, string> = {};
  for (const name of ['content-type', 'content-encoding', 'content-language', 'content-disposition', 'cache-control']) {
    const own = call.headers[`x-ms-blob-${name}`];
    const value = own ?? (withProperties ? source.headers[name] : undefined);
    if (value !== undefined) properties[name] = value;
  }
  properties['content-type'] ??= 'application/octet-stream';
  const metadata =
    Object.keys(asked.metadata).length > 0
      ? asked.metadata
      : Object.fromEntries(
          Object.entries(source.headers)
            .filter(([name]) => name.startsWith('x-ms-meta-'))
            .map(([name, value]) => [name.slice('x-ms-meta-'.length), value]),
        );
  const contentMd5 = source.content.digest('MD5').toString('base64');
  return store(call, source.content, [], { ...asked, properties, metadata, contentMd5 }, source.url.split('?')[0]!);
}
