/** A second, independent way to a bucket for tests: single requests over node:http, nothing of the provider. */
import { request as httpRequest } from 'node:http';
import { Signer, canonicalQuery, encodePath, sha256Hex } from '../src/lib/sigv4.ts';
import { keyToBytes } from '../src/model/key.ts';

export interface RawAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export interface RawKeys {
  readonly endpoint: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly region?: string;
}

type Query = readonly (readonly [string, string | Uint8Array])[];

export class RawStore {
  readonly #url: URL;
  readonly #signer: Signer;

  constructor(keys: RawKeys) {
    this.#url = new URL(keys.endpoint);
    const scope = { region: keys.region ?? 'us-east-1', service: 's3' };
    this.#signer = new Signer({ ...keys, sessionToken: null }, scope);
  }

  /** `key` as our keys are: bytes that are not UTF-8 stand in it as lone surrogates. */
  async send(
    method: string,
    bucket: string,
    key: string | null,
    query: Query = [],
    headers: Readonly<Record<string, string>> = {},
    body: Uint8Array | string = '',
  ): Promise<RawAnswer> {
    const path = `/${bucket}${key === null ? '' : `/${encodePath(keyToBytes(key))}`}`;
    const text = canonicalQuery(query);
    const bytes = Buffer.from(body);
    const signed = this.#signer.sign(
      { method, host: this.#url.host, path, query: text, headers, payloadHash: sha256Hex(bytes) },
      Date.now(),
    );
    return new Promise((resolve, reject) => {
      const { hostname, port } = this.#url;
      const sent = httpRequest(
        {
          hostname,
          port,
          method,
          path: text === '' ? path : `${path}?${text}`,
          headers: { ...signed, 'content-length': bytes.length },
        },
        (answer) => {
          const chunks: Buffer[] = [];
          answer.on('data', (chunk: Buffer) => chunks.push(chunk));
          answer.on('error', reject);
          answer.on('end', () => {
            const flat = Object.entries(answer.headers).map(([name, value]) => [name, String(value)]);
            resolve({
              status: answer.statusCode ?? 0,
              headers: Object.fromEntries(flat) as Record<string, string>,
              body: Buffer.concat(chunks),
            });
          });
        },
      );
      sent.on('error', reject);
      sent.end(bytes);
    });
  }

  /** Fails the test where the store refuses. */
  async must(...given: Parameters<RawStore['send']>): Promise<RawAnswer> {
    const answer = await this.send(...given);
    if (answer.status >= 300) {
      throw new Error(`${given[0]} /${given[1]}/${given[2] ?? ''}: ${answer.status} ${answer.body.toString('utf8')}`);
    }
    return answer;
  }

  /** Full keys, decoded, of everything below the prefix. */
  async keys(bucket: string, prefix: string): Promise<string[]> {
    return this.#listed(bucket, prefix, 'Key', [['list-type', '2']], 'NextContinuationToken', 'continuation-token');
  }

  /** `key uploadId` of unfinished uploads. */
  async uploads(bucket: string, prefix: string): Promise<{ key: string; uploadId: string }[]> {
    const answer = await this.must('GET', bucket, null, [
      ['uploads', ''],
      ['encoding-type', 'url'],
      ['prefix', keyToBytes(prefix)],
    ]);
    const text = answer.body.toString('utf8');
    return [...text.matchAll(/<Upload><Key>([^<]*)<\/Key><UploadId>([^<]*)<\/UploadId>/g)].map((match) => ({
      key: decoded(match[1] as string),
      uploadId: match[2] as string,
    }));
  }

  async removeAll(bucket: string, prefix: string): Promise<void> {
    const keys = await this.keys(bucket, prefix);
    await inTurns(keys, (key) => this.send('DELETE', bucket, key));
    for (const upload of await this.uploads(bucket, prefix)) {
      await this.send('DELETE', bucket, upload.key, [['uploadId', upload.uploadId]]);
    }
  }

  async #listed(bucket: string, prefix: string, name: string, query: Query, next: string, parameter: string) {
    const found: string[] = [];
    let token: string | null = null;
    do {
      const more: Query = token === null ? [] : [[parameter, token]];
      const all: Query = [...query, ['encoding-type', 'url'], ['prefix', keyToBytes(prefix)], ...more];
      const text = (await this.must('GET', bucket, null, all)).body.toString('utf8');
      for (const match of text.matchAll(new RegExp(`<${name}>([^<]*)</${name}>`, 'g')))
        found.push(decoded(match[1] as string));
      token = new RegExp(`<${next}>([^<]*)</${next}>`).exec(text)?.[1] ?? null;
    } while (token !== null && token !== '');
    return found;
  }
}

/** Enough at a time to be quick, few enough for a small store. */
export async function inTurns<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  const queue = [...items];
  const lanes = Array.from({ length: 24 }, async () => {
    for (let item = queue.pop(); item !== undefined; item = queue.pop()) await work(item);
  });
  await Promise.all(lanes);
}

/** XML references, then percent escapes of any bytes; what is no UTF-8 becomes lone surrogates, as in all our keys. */
function decoded(text: string): string {
  const bytes = text
    .replaceAll('&apos;', "'")
    .replaceAll('&quot;', '"')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&')
    .replaceAll('+', ' ')
    .replaceAll(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  const buffer = Buffer.from(bytes, 'latin1');
  const plain = buffer.toString('utf8');
  if (Buffer.from(plain, 'utf8').equals(buffer)) return plain;
  return Array.from(buffer, (byte) =>
    byte < 0x80 ? String.fromCharCode(byte) : String.fromCharCode(0xdc00 + byte),
  ).join('');
}
