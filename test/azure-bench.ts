/** An Azurite container of one's own, reached by other means than the provider under test. */
import { createHmac, randomBytes } from 'node:crypto';
import { request } from 'node:http';
import type { Bench, Wrap } from '../src/conformance/kit.ts';
import { parseConfig } from '../src/contract/config.ts';
import type { Config } from '../src/contract/fields.ts';
import type { Account, Context, Provider } from '../src/contract/provider.ts';
import { systemClock, systemRandom } from '../src/lib/system.ts';
import { openUndiciTransport } from '../src/lib/undici-transport.ts';
import type { AzuriteServer } from './servers.ts';

export interface RawAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** Signed requests over plain `node:http`, so that nothing of the provider takes part. */
export class RawAzure {
  readonly server: AzuriteServer;
  readonly #base: URL;

  constructor(server: AzuriteServer) {
    this.server = server;
    this.#base = new URL(server.endpoint);
  }

  path(container: string, key?: string): string {
    const blob = key === undefined ? '' : `/${key.split('/').map(encodeURIComponent).join('/')}`;
    return `${this.#base.pathname}/${container}${blob}`;
  }

  send(
    method: string,
    path: string,
    query: Readonly<Record<string, string>> = {},
    headers: Readonly<Record<string, string>> = {},
    body: Uint8Array = new Uint8Array(0),
  ): Promise<RawAnswer> {
    const all: Record<string, string> = {
      'x-ms-version': '2023-11-03',
      'x-ms-date': new Date().toUTCString(),
      ...headers,
    };
    if (method === 'PUT') all['content-length'] = String(body.length);
    all['authorization'] = this.#sign(method, path, query, all, body.length);
    const search = new URLSearchParams(query).toString().replace(/\+/g, '%20');
    return new Promise((resolve, reject) => {
      const sent = request(
        {
          host: this.#base.hostname,
          port: this.#base.port,
          method,
          path: search === '' ? path : `${path}?${search}`,
          headers: all,
        },
        (answer) => {
          const chunks: Buffer[] = [];
          answer.on('data', (chunk: Buffer) => chunks.push(chunk));
          answer.on('error', reject);
          answer.on('end', () => {
            const found = Object.entries(answer.headers).map(([name, value]) => [name, String(value)] as const);
            resolve({
              status: answer.statusCode ?? 0,
              headers: Object.fromEntries(found),
              body: Buffer.concat(chunks),
            });
          });
        },
      );
      sent.on('error', reject);
      sent.end(body);
    });
  }

  async ok(...sent: Parameters<RawAzure['send']>): Promise<RawAnswer> {
    const answer = await this.send(...sent);
    if (answer.status >= 300) throw new Error(`${sent[0]} ${sent[1]}: ${answer.status} ${answer.body.toString()}`);
    return answer;
  }

  #sign(method: string, path: string, query: object, headers: Record<string, string>, bodyBytes: number): string {
    const of = (name: string) => headers[name] ?? '';
    const own = Object.keys(headers).filter((name) => name.startsWith('x-ms-'));
    const lines = own.toSorted((a, b) => a.localeCompare(b)).map((name) => `${name}:${of(name)}\n`);
    const parameters = Object.entries(query).toSorted(([a], [b]) => (a < b ? -1 : 1));
    const text = [
      method,
      '',
      '',
      bodyBytes === 0 ? '' : String(bodyBytes),
      of('content-md5'),
      of('content-type'),
      '',
      '',
      of('if-match'),
      of('if-none-match'),
      '',
      '',
      `${lines.join('')}/${this.server.accountName}${path}${parameters.map(([name, value]) => `\n${name}:${value}`).join('')}`,
    ].join('\n');
    const key = Buffer.from(this.server.accountKey, 'base64');
    return `SharedKey ${this.server.accountName}:${createHmac('sha256', key).update(text, 'utf8').digest('base64')}`;
  }
}

export function azureForm(server: AzuriteServer): Record<string, string> {
  return { accountName: server.accountName, accountKey: server.accountKey, endpoint: server.endpoint };
}

export function azureContext(logged: string[], wrap: Wrap = (open) => open): Context {
  return {
    openTransport: wrap(openUndiciTransport({})),
    clock: systemClock,
    random: systemRandom,
    log: (level, message, details) => {
      logged.push(`${level} ${message} ${JSON.stringify(details ?? {})}`);
    },
    environment: {},
    saveAccount: async () => {},
  };
}

export async function openAzureBench(server: AzuriteServer, provider: Provider, wrap: Wrap): Promise<Bench> {
  const raw = new RawAzure(server);
  const container = `kit-${randomBytes(8).toString('hex')}`;
  await raw.ok('PUT', raw.path(container), { restype: 'container' });
  const place = { container, prefix: 'pre fix/' };
  const blob = (key: string) => raw.path(container, place.prefix + key);
  const { config } = parseConfig(provider.account, azureForm(server)) as { config: Config };
  const logged: string[] = [];
  const reopen = (): Promise<Account> => provider.open(config, azureContext(logged, wrap));
  return {
    account: await reopen(),
    config,
    place,
    reopen,
    absentContainer: `absent-${randomBytes(6).toString('hex')}`,
    logged,
    async seed(key, content, properties) {
      const headers: Record<string, string> = { 'x-ms-blob-type': 'BlockBlob' };
      const { contentType, contentEncoding, contentLanguage, contentDisposition, cacheControl } =
        properties?.headers ?? {};
      const given = {
        type: contentType,
        encoding: contentEncoding,
        language: contentLanguage,
        disposition: contentDisposition,
      };
      for (const [name, value] of Object.entries(given))
        if (value !== undefined) headers[`x-ms-blob-content-${name}`] = value;
      if (cacheControl !== undefined) headers['x-ms-blob-cache-control'] = cacheControl;
      for (const [name, value] of Object.entries(properties?.metadata ?? {})) headers[`x-ms-meta-${name}`] = value;
      const tags = new URLSearchParams(properties?.tags ?? {}).toString();
      if (tags !== '') headers['x-ms-tags'] = tags;
      await raw.ok('PUT', blob(key), {}, headers, content);
    },
    async peek(key) {
      const answer = await raw.send('GET', blob(key));
      return answer.status === 404 ? null : new Uint8Array(answer.body);
    },
    async wipe(key) {
      const answer = await raw.send('DELETE', blob(key));
      if (answer.status !== 202 && answer.status !== 404) throw new Error(`wipe ${key}: ${answer.status}`);
    },
    async keys() {
      const keys: string[] = [];
      let marker = '';
      do {
        const query: Record<string, string> = { restype: 'container', comp: 'list', prefix: place.prefix };
        if (marker !== '') query['marker'] = marker;
        const text = (await raw.ok('GET', raw.path(container), query)).body.toString('utf8');
        for (const [, name] of text.matchAll(/<Name>([^<]*)<\/Name>/g))
          keys.push(unescapeXml(name as string).slice(place.prefix.length));
        marker = unescapeXml(/<NextMarker>([^<]*)<\/NextMarker>/.exec(text)?.[1] ?? '');
      } while (marker !== '');
      return keys;
    },
    async foreignUpload(key) {
      const id = Buffer.from(`other-block-${randomBytes(4).toString('hex')}`).toString('base64');
      await raw.ok('PUT', blob(key), { comp: 'block', blockid: id }, {}, Buffer.from('foreign'));
    },
    async [Symbol.asyncDispose]() {
      await raw.send('DELETE', raw.path(container), { restype: 'container' });
    },
  };
}

function unescapeXml(text: string): string {
  const named: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };
  return text.replace(/&(#x[0-9a-fA-F]+|#\d+|\w+);/g, (_, name: string) => {
    if (name.startsWith('#x')) return String.fromCodePoint(parseInt(name.slice(2), 16));
    return name.startsWith('#') ? String.fromCodePoint(Number(name.slice(1))) : (named[name] ?? '');
  });
}
