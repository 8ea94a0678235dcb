/** Reads what a refused request was answered with. */
import type { HttpResponse } from '../../lib/transport.ts';
import { child, childText, parseXml } from '../../lib/xml.ts';
import type { XmlElement } from '../../lib/xml.ts';
import type { Headers } from './headers.ts';
import type { WireFailure } from './errors.ts';

const BODY_BYTES_MAX = 256 * 1024;

const CODES_BY_STATUS: Readonly<Record<number, string>> = {
  301: 'PermanentRedirect',
  304: 'NotModified',
  307: 'TemporaryRedirect',
  403: 'AccessDenied',
  404: 'NotFound',
  412: 'PreconditionFailed',
  416: 'InvalidRange',
};

export async function readFailure(response: HttpResponse): Promise<WireFailure> {
  let root: XmlElement | null = null;
  try {
    const text = new TextDecoder().decode(await response.bytes(BODY_BYTES_MAX));
    if (text.trimStart().startsWith('<')) root = parseXml(text);
  } catch {
    // A proxy's page or a body cut off: the status has to do.
    await response.discard();
  }
  return failureOf(response.status, response.headers, root);
}

/** `root`: the `<Error>` document, also where it came with status 200; `null` for answers without a body. */
export function failureOf(status: number, headers: Headers, root: XmlElement | null): WireFailure {
  const error = root === null ? null : root.name === 'Error' ? root : child(root, 'Error');
  const text = (name: string): string | null => (error === null ? null : childText(error, name));
  const dateMs = Date.parse(headers['date'] ?? '');
  return {
    status,
    code: text('Code') || CODES_BY_STATUS[status] || `Status${status}`,
    message: text('Message') ?? '',
    requestId: headers['x-amz-request-id'] ?? headers['x-amzn-requestid'] ?? text('RequestId'),
    hostId: headers['x-amz-id-2'] ?? text('HostId'),
    region: headers['x-amz-bucket-region'] ?? text('Region'),
    location: headers['location'] ?? text('Endpoint'),
    retryAfterMs: retryAfterOf(headers['retry-after'], Number.isNaN(dateMs) ? null : dateMs),
    dateMs: Number.isNaN(dateMs) ? null : dateMs,
    storageClass: [text('StorageClass'), text('AccessTier')].filter(Boolean).join(', ') || null,
  };
}

/** Seconds, or a date compared with the answer's own. */
export function retryAfterOf(header: string | undefined, dateMs: number | null): number | null {
  if (header === undefined) return null;
  if (/^\d+$/.test(header.trim())) return Number(header) * 1000;
  const untilMs = Date.parse(header);
  return Number.isNaN(untilMs) || dateMs === null ? null : Math.max(0, untilMs - dateMs);
}
