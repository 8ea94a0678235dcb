/**
 * Looks into an S3 store and an Azure account by plain signed requests, apart from all of Drover's own code for them:
 * what this finds is a second opinion.
 */
import { createHash } from 'node:crypto';
import { request } from 'node:http';
import { awsSigned, azureSigned } from '../src/sim/test-signing.ts';

export interface S3Access {
  readonly endpoint: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

export interface AzureAccess {
  /** With the account in its path, as emulators have it. */
  readonly endpoint: string;
  readonly accountName: string;
  readonly accountKey: string;
}

export interface Found {
  readonly sizeBytes: number;
  readonly sha256: string;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

interface Ask {
  readonly method: string;
  /** Decoded, from the root of the server. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

export interface Store {
  /** Names of all objects, in the order of the store. */
  list(container: string): Promise<readonly string[]>;
  /** What an object holds, without keeping it. */
  find(container: string, key: string): Promise<Found>;
  put(container: string, key: string, content: Uint8Array, headers?: Readonly<Record<string, string>>): Promise<void>;
  remove(container: string, key: string): Promise<void>;
  makeContainer(container: string): Promise<void>;
  removeContainer(container: string): Promise<void>;
}

export interface OpenUpload {
  readonly key: string;
  readonly uploadId: string;
  /** As the store tells it; only in its lists. */
  readonly initiated?: string;
}

const PART_BYTES = 8 * 1024 * 1024;

export class S3Store implements Store {
  readonly #access: S3Access;

  constructor(access: S3Access) {
    this.#access = access;
  }

  async ask(want: Ask, take?: (chunk: Buffer) => void): Promise<Answer> {
    const { endpoint, accessKeyId, secretAccessKey } = this.#access;
    const by = { id: accessKeyId, secret: secretAccessKey, nowMs: Date.now() };
    const signed = awsSigned(by, { ...want, host: new URL(endpoint).host });
    return send(endpoint, signed, take);
  }

  async list(container: string): Promise<readonly string[]> {
    const keys: string[] = [];
    for (let token: string | null = null; ;) {
      const query: Record<string, string> = { 'list-type': '2', 'encoding-type': 'url' };
      if (token !== null) query['continuation-token'] = token;
      const page = expectFine(await this.ask({ method: 'GET', path: `/${container}`, query })).toString('utf8');
      keys.push(...texts(page, 'Key').map((key) => decodeURIComponent(key.replaceAll('+', ' '))));
      token = texts(page, 'NextContinuationToken')[0] ?? null;
      if (token === null) return keys;
    }
  }

  async find(container: string, key: string): Promise<Found> {
    return hashed((take) => this.ask({ method: 'GET', path: `/${container}/${key}` }, take));
  }

  async put(container: string, key: string, content: Uint8Array, headers = {}): Promise<void> {
    expectFine(await this.ask({ method: 'PUT', path: `/${container}/${key}`, body: content, headers }));
  }

  /** In parts of 8 MiB, as most tools do it. */
  async putInParts(container: string, key: string, content: Uint8Array): Promise<void> {
    const path = `/${container}/${key}`;
    const uploadId = await this.beginUpload(container, key);
    const etags: string[] = [];
    for (let at = 0; at < content.length; at += PART_BYTES) {
      etags.push(
        await this.putPart(container, { key, uploadId }, etags.length + 1, content.subarray(at, at + PART_BYTES)),
      );
    }
    const parts = etags.map((etag, i) => `<Part><PartNumber>${i + 1}</PartNumber><ETag>${etag}</ETag></Part>`).join('');
    const body = `<CompleteMultipartUpload>${parts}</CompleteMultipartUpload>`;
    const done = expectFine(await this.ask({ method: 'POST', path, query: { uploadId }, body })).toString('utf8');
    if (!done.includes('<ETag>')) throw new Error(`The upload of ${key} was not completed: ${done}`);
  }

  async beginUpload(container: string, key: string): Promise<string> {
    const begun = await this.ask({ method: 'POST', path: `/${container}/${key}`, query: { uploads: '' } });
    return texts(expectFine(begun).toString('utf8'), 'UploadId')[0] as string;
  }

  /** Its ETag. */
  async putPart(container: string, upload: OpenUpload, number: number, content: Uint8Array): Promise<string> {
    const query = { partNumber: String(number), uploadId: upload.uploadId };
    const put = await this.ask({ method: 'PUT', path: `/${container}/${upload.key}`, query, body: content });
    expectFine(put);
    return String(put.headers['etag']);
  }

  async openUploads(container: string): Promise<readonly OpenUpload[]> {
    const query = { uploads: '', 'encoding-type': 'url', 'max-uploads': '1000' };
    const page = expectFine(await this.ask({ method: 'GET', path: `/${container}`, query })).toString('utf8');
    return elements(page, 'Upload').map((upload) => ({
      key: decodeURIComponent((texts(upload, 'Key')[0] ?? '').replaceAll('+', ' ')),
      uploadId: texts(upload, 'UploadId')[0] ?? '',
      initiated: texts(upload, 'Initiated')[0] ?? '',
    }));
  }

  async remove(container: string, key: string): Promise<void> {
    expectFine(await this.ask({ method: 'DELETE', path: `/${container}/${key}` }));
  }

  async makeContainer(container: string): Promise<void> {
    expectFine(await this.ask({ method: 'PUT', path: `/${container}` }));
  }

  async removeContainer(container: string): Promise<void> {
    for (const { key, uploadId } of await this.openUploads(container)) {
      expectFine(await this.ask({ method: 'DELETE', path: `/${container}/${key}`, query: { uploadId } }));
    }
    for (const key of await this.list(container)) await this.remove(container, key);
    expectFine(await this.ask({ method: 'DELETE', path: `/${container}` }));
  }
}

export class AzureStore implements Store {
  readonly #access: AzureAccess;

  constructor(access: AzureAccess) {
    this.#access = access;
  }

  async ask(want: Ask, take?: (chunk: Buffer) => void): Promise<Answer> {
    const { endpoint, accountName, accountKey } = this.#access;
    const by = { account: accountName, key: accountKey, nowMs: Date.now() };
    const signed = azureSigned(by, { ...want, path: new URL(endpoint).pathname + want.path });
    return send(endpoint, signed, take);
  }

  async list(container: string): Promise<readonly string[]> {
    return (await this.#pages(container, {})).flatMap((page) => elements(page, 'Name').map((name) => decodeXml(name)));
  }

  /** Names under which there are blocks and no blob yet. */
  async uncommitted(container: string): Promise<readonly string[]> {
    const committed = new Set(await this.list(container));
    const pages = await this.#pages(container, { include: 'uncommittedblobs' });
    const all = pages.flatMap((page) => elements(page, 'Name').map((name) => decodeXml(name)));
    return all.filter((name) => !committed.has(name));
  }

  async putBlock(container: string, key: string, blockId: string, content: Uint8Array): Promise<void> {
    const query = { comp: 'block', blockid: Buffer.from(blockId).toString('base64') };
    expectFine(await this.ask({ method: 'PUT', path: `/${container}/${key}`, query, body: content }));
  }

  async find(container: string, key: string): Promise<Found> {
    return hashed((take) => this.ask({ method: 'GET', path: `/${container}/${key}` }, take));
  }

  async put(container: string, key: string, content: Uint8Array, headers = {}): Promise<void> {
    const all = { 'x-ms-blob-type': 'BlockBlob', ...headers };
    expectFine(await this.ask({ method: 'PUT', path: `/${container}/${key}`, body: content, headers: all }));
  }

  async remove(container: string, key: string): Promise<void> {
    expectFine(await this.ask({ method: 'DELETE', path: `/${container}/${key}` }));
  }

  async makeContainer(container: string): Promise<void> {
    expectFine(await this.ask({ method: 'PUT', path: `/${container}`, query: { restype: 'container' } }));
  }

  async removeContainer(container: string): Promise<void> {
    expectFine(await this.ask({ method: 'DELETE', path: `/${container}`, query: { restype: 'container' } }));
  }

  async #pages(container: string, extra: Readonly<Record<string, string>>): Promise<string[]> {
    const pages: string[] = [];
    for (let marker = ''; ;) {
      const query = { restype: 'container', comp: 'list', ...extra, ...(marker === '' ? {} : { marker }) };
      const page = expectFine(await this.ask({ method: 'GET', path: `/${container}`, query })).toString('utf8');
      pages.push(page);
      marker = texts(page, 'NextMarker')[0] ?? '';
      if (marker === '') return pages;
    }
  }
}

interface Signed {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** Not `fetch`: that would tidy up paths such as `/bucket/../x`, which are names here. */
function send(endpoint: string, signed: Signed, take?: (chunk: Buffer) => void): Promise<Answer> {
  const { hostname, port, host } = new URL(endpoint);
  const { method, path, body } = signed;
  const headers = { ...signed.headers, host, 'content-length': String(body.length) };
  return new Promise((resolve, reject) => {
    const call = request({ hostname, port, method, path, headers }, (response) => {
      const status = response.statusCode ?? 0;
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => {
        if (take !== undefined && status === 200) take(chunk);
        else chunks.push(chunk);
      });
      response.on('error', reject);
      response.on('end', () => resolve({ status, headers: response.headers, body: Buffer.concat(chunks) }));
    });
    call.on('error', reject);
    call.end(body);
  });
}

async function hashed(ask: (take: (chunk: Buffer) => void) => Promise<Answer>): Promise<Found> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  const answer = await ask((chunk) => {
    sizeBytes += chunk.length;
    hash.update(chunk);
  });
  expectFine(answer);
  return { sizeBytes, sha256: hash.digest('hex') };
}

function expectFine(answer: Answer): Buffer {
  if (answer.status >= 200 && answer.status < 300) return answer.body;
  throw new Error(`The store answered ${answer.status}: ${answer.body.toString('utf8').slice(0, 400)}`);
}

/** What stands between `<name …>` and `</name>`, each time. */
function elements(xml: string, name: string): string[] {
  const pattern = new RegExp(`<${name}(?: [^>]*)?>([\\s\\S]*?)</${name}>`, 'g');
  return [...xml.matchAll(pattern)].map((match) => match[1] as string);
}

function texts(xml: string, name: string): string[] {
  return elements(xml, name).map((text) => decodeXml(text));
}

function decodeXml(text: string): string {
  const named: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };
  return text.replaceAll(/&(#x[0-9a-f]+|#\d+|\w+);/gi, (whole, code: string) => {
    if (/^#x/i.test(code)) return String.fromCodePoint(Number.parseInt(code.slice(2), 16));
    if (code.startsWith('#')) return String.fromCodePoint(Number(code.slice(1)));
    return named[code] ?? whole;
  });
}
