/**
 * A transport whose answers repeat no secret. Stores, and what stands in front of them, explain a refusal with what they
 * were sent: headers, the address, the text they signed. Such words end in logs, in the database and on pages, so that
 * what was secret in the request, and whatever else is known to be secret, is taken out before anybody reads them.
 */
import type { HttpRequest, HttpResponse, OpenTransport } from './transport.ts';

const SECRET_HEADERS =
  /^(?:proxy-)?authorization$|^cookie$|token|secret|signature|api-?key|identity-header|customer-key$|encryption-key$|copy-source-authorization$/;
const SECRET_PARAMETERS = /^sig$|signature|token|secret|password|credential|client_assertion$|^code(?:_verifier)?$/i;
/** Shorter ones would garble words that have nothing to do with them. */
const CHARACTERS_MIN = 6;
/** A part of a longer secret (a connection string, a certificate) that is worth hiding by itself. */
const PART_CHARACTERS_MIN = 16;
const BODY_BYTES_MAX = 1024 * 1024;
const HIDDEN = '***';

/** `secrets`: known beforehand, such as those of a connector. */
export function hushed(open: OpenTransport, secrets: readonly string[]): OpenTransport {
  const known = secrets.flatMap(partsOf);
  return (settings) => {
    const transport = open(settings);
    return {
      async send(request) {
        const response = await transport.send(request);
        const isRefusal = response.status >= 300;
        if (!isRefusal && CONTENTS.has(request.operation)) return response;
        return quiet(response, isRefusal, () => [...known, ...secretsOf(request)]);
      },
      close: () => transport.close(),
    };
  };
}

/** Their good answers are what was asked for, and are read as they come. */
const CONTENTS = new Set(['GET', 'HEAD', 'LIST']);

function quiet(response: HttpResponse, isRefusal: boolean, secrets: () => readonly string[]): HttpResponse {
  let needles: readonly string[] | null = null;
  const hide = (text: string): string => {
    needles ??= formsOf(secrets());
    return needles.reduce((known, needle) => known.replaceAll(needle, HIDDEN), text);
  };
  const bytes = async (bytesMax: number): Promise<Uint8Array> => {
    const content = Buffer.from(await response.bytes(bytesMax));
    // Some stores begin with 200 and then fail.
    if (!isRefusal && !content.includes('<Error')) return content;
    return Buffer.from(hide(content.toString('latin1')), 'latin1');
  };
  async function* body(): AsyncGenerator<Uint8Array> {
    yield await bytes(BODY_BYTES_MAX);
  }
  return {
    status: response.status,
    headers: isRefusal
      ? Object.fromEntries(Object.entries(response.headers).map(([name, value]) => [name, hide(value)]))
      : response.headers,
    body: isRefusal ? { [Symbol.asyncIterator]: body } : response.body,
    bytes,
    discard: () => response.discard(),
  };
}

function secretsOf({ headers, path, body }: HttpRequest): readonly string[] {
  const found = Object.entries(headers).flatMap(([name, value]) =>
    SECRET_HEADERS.test(name) ? [...partsOf(value), value.replace(/^[\w-]+ +/, '')] : [],
  );
  const query = path.includes('?') ? path.slice(path.indexOf('?') + 1) : '';
  const isForm = headers['content-type']?.startsWith('application/x-www-form-urlencoded') === true;
  const form = isForm && body?.content instanceof Uint8Array ? Buffer.from(body.content).toString('utf8') : '';
  for (const [name, value] of [...new URLSearchParams(query), ...new URLSearchParams(form)]) {
    if (SECRET_PARAMETERS.test(name)) found.push(value);
  }
  return found;
}

/** `Bearer x`, `AccountKey=x;…`, `sv=…&sig=x`, lines of a certificate: the whole, and what in it is secret. */
function partsOf(secret: string): readonly string[] {
  const parts = secret
    .split(/[;&,\s]+/)
    .flatMap((part) => [part, part.slice(part.indexOf('=') + 1)])
    .filter((part) => part.length >= PART_CHARACTERS_MIN && !isHarmless(part));
  return [secret, ...parts];
}

/** Names and methods that stand in every signature. */
function isHarmless(part: string): boolean {
  return /^(?:https?:|AWS4-|SignedHeaders=|x-(?:amz|ms)-[a-z0-9-]+$|-----)/.test(part);
}

/** As it may come back: as it was, encoded for an address, escaped for XML or JSON, or in base64. The longest first. */
function formsOf(secrets: readonly string[]): readonly string[] {
  const forms = secrets
    .filter((secret) => secret.length >= CHARACTERS_MIN)
    .flatMap((secret) => {
      const decoded = decodedOrSame(secret);
      return [secret, decoded].flatMap((each) => [
        each,
        encodeURIComponent(each.toWellFormed()),
        formEncoded(each),
        each.replaceAll('&', '&amp;'),
        JSON.stringify(each).slice(1, -1),
        Buffer.from(each).toString('base64').replace(/=+$/, ''),
      ]);
    });
  const bytes = forms.map((form) => Buffer.from(form).toString('latin1'));
  return [...new Set(bytes)].toSorted((a, b) => b.length - a.length);
}

/** Forms escape more than addresses do. */
function formEncoded(text: string): string {
  return new URLSearchParams([['', text]]).toString().slice(1);
}

function decodedOrSame(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
