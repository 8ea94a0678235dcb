/** Everything that is read from what people paste: addresses, keys, signatures, connection strings. */
import { describe, expect, test } from 'vitest';
import { environmentNames, parseConfig } from '../../contract/config.ts';
import { simContext, simForm, simService } from '../../../test/azure-sim-bench.ts';
import { parseConnectionString } from './connection-string.ts';
import { parseEndpoint, resolveSignIn } from './credentials.ts';
import { ACCOUNT_FIELDS } from './fields.ts';
import { makeBlobReadSas, parseSasToken } from './sas.ts';
import { compareHeaderNames, sharedKeyAuthorization, stringToSign } from './shared-key.ts';
import { cachedTokens } from './tokens.ts';

const KEY = Buffer.alloc(64, 3).toString('base64');
const SAS = 'sv=2023-11-03&sr=c&sp=racwl&st=2026-01-01T00%3A00%3A00Z&se=2027-01-01T00%3A00%3A00Z&sig=abc%2B%2F%3D';
const { signal } = new AbortController();

describe('fields', () => {
  test('have the environment names people use', () => {
    const names = [...environmentNames('DROVER_CONNECTOR_ACME_', ACCOUNT_FIELDS).values()];
    for (const name of ['ACCOUNT_NAME', 'ACCOUNT_KEY', 'ENDPOINT', 'SAS_TOKEN', 'CONNECTION_STRING', 'TENANT_ID']) {
      expect(names).toContain(`DROVER_CONNECTOR_ACME_${name}`);
    }
    for (const name of ['CLIENT_ID', 'CLIENT_SECRET', 'CLIENT_CERTIFICATE', 'CONTAINER', 'PREFIX', 'CA_CERTIFICATE']) {
      expect(names).toContain(`DROVER_CONNECTOR_ACME_${name}`);
    }
  });

  test('keep secrets secret and explain themselves', () => {
    const secrets = Object.entries(ACCOUNT_FIELDS).filter(([, field]) => field.type === 'secret');
    expect(secrets.map(([name]) => name).toSorted()).toEqual(
      ['accountKey', 'clientCertificate', 'clientSecret', 'connectionString', 'sasToken'].toSorted(),
    );
    for (const field of Object.values(ACCOUNT_FIELDS)) expect(field.help.length).toBeGreaterThan(15);
  });
});

describe('connection strings', () => {
  test.each([
    [
      `DefaultEndpointsProtocol=https;AccountName=acme;AccountKey=${KEY};EndpointSuffix=core.windows.net`,
      { accountName: 'acme', accountKey: KEY, sasToken: null, endpoint: 'https://acme.blob.core.windows.net' },
    ],
    [
      `AccountName=acme;AccountKey=${KEY};EndpointSuffix=core.usgovcloudapi.net;`,
      { accountName: 'acme', accountKey: KEY, sasToken: null, endpoint: 'https://acme.blob.core.usgovcloudapi.net' },
    ],
    [
      `BlobEndpoint=https://acme.blob.core.windows.net/;SharedAccessSignature=?${SAS}`,
      { accountName: null, accountKey: null, sasToken: SAS, endpoint: 'https://acme.blob.core.windows.net' },
    ],
    [
      `AccountName=dev;AccountKey=${KEY};BlobEndpoint=http://127.0.0.1:10000/dev`,
      { accountName: 'dev', accountKey: KEY, sasToken: null, endpoint: 'http://127.0.0.1:10000/dev' },
    ],
  ])('%s', (text, parsed) => {
    expect(parseConnectionString(text)).toEqual(parsed);
  });

  test('the short form of the emulator', () => {
    expect(parseConnectionString('UseDevelopmentStorage=true').endpoint).toBe(
      'http://127.0.0.1:10000/devstoreaccount1',
    );
  });

  test.each([
    '',
    'nonsense',
    'AccountName=acme',
    `AccountKey=${KEY}`,
    `DefaultEndpointsProtocol=ftp;AccountName=a;AccountKey=${KEY}`,
  ])('refuses %j without quoting it', (text) => {
    let message = '';
    expect(() => {
      try {
        parseConnectionString(text);
      } catch (error) {
        message = (error as Error).message;
        throw error;
      }
    }).toThrow(expect.objectContaining({ code: 'INVALID_INPUT', field: 'connectionString' }));
    expect(message).not.toContain(KEY);
  });
});

describe('endpoints', () => {
  test.each([
    [
      'https://acme.blob.core.windows.net',
      { origin: 'https://acme.blob.core.windows.net', basePath: '', accountName: 'acme' },
    ],
    [
      'https://acme.blob.core.chinacloudapi.cn/',
      { origin: 'https://acme.blob.core.chinacloudapi.cn', basePath: '', accountName: 'acme' },
    ],
    ['http://127.0.0.1:10000/dev', { origin: 'http://127.0.0.1:10000', basePath: '/dev', accountName: 'dev' }],
    ['http://localhost:10000/dev/', { origin: 'http://localhost:10000', basePath: '/dev', accountName: 'dev' }],
    ['https://10.0.0.4', { origin: 'https://10.0.0.4', basePath: '', accountName: null }],
    ['https://[::1]:10000/dev', { origin: 'https://[::1]:10000', basePath: '/dev', accountName: 'dev' }],
  ])('%s', (endpoint, address) => {
    expect(parseEndpoint(endpoint)).toEqual(address);
  });

  test.each(['acme', 'ftp://acme.example', `https://acme.blob.core.windows.net/?${SAS}`, 'https://user@acme.example'])(
    'refuses %s',
    (endpoint) => {
      expect(() => parseEndpoint(endpoint)).toThrow(
        expect.objectContaining({ code: 'INVALID_INPUT', field: 'endpoint' }),
      );
    },
  );
});

describe('signing in', () => {
  const open = (form: Record<string, string>) => {
    const parsed = parseConfig(ACCOUNT_FIELDS, form);
    if (!('config' in parsed)) throw new Error(JSON.stringify(parsed.problems));
    return resolveSignIn(parsed.config, simContext(simService()));
  };

  test.each([
    [
      { connectionString: `AccountName=acme;AccountKey=${KEY}`, sasToken: SAS, accountKey: KEY },
      'connection-string',
      'key',
    ],
    [{ accountName: 'acme', sasToken: SAS, accountKey: KEY }, 'sas', 'sas'],
    [{ accountName: 'acme', accountKey: KEY, clientSecret: 'x' }, 'account-key', 'key'],
    [{ accountName: 'acme', tenantId: 't', clientId: 'c', clientSecret: 'x' }, 'client-secret', 'entra'],
    [{ accountName: 'acme', tenantId: 't', clientId: 'c', clientCertificate: 'x' }, 'client-certificate', 'entra'],
    [{ accountName: 'acme' }, 'environment', 'entra'],
    [{ accountName: 'acme', authorization: 'managed-identity' }, 'managed-identity', 'entra'],
    [{ accountName: 'acme', authorization: 'account-key', accountKey: KEY }, 'account-key', 'key'],
  ] as [Record<string, string>, string, string][])('%j is %s', (form, authorization, kind) => {
    const signIn = open(form);
    expect([signIn.authorization, signIn.credential.kind, signIn.accountName]).toEqual([authorization, kind, 'acme']);
  });

  test.each([
    [{ accountKey: KEY }, 'accountName'],
    [{ accountName: 'acme', accountKey: 'not base64!' }, 'accountKey'],
    [{ accountName: 'acme', sasToken: 'sv=1' }, 'sasToken'],
    [{ accountName: 'acme', authorization: 'sas' }, 'sasToken'],
    [{ accountName: 'acme', clientSecret: 'x', clientId: 'c' }, 'tenantId'],
    [
      { accountName: 'acme', clientSecret: 'x', clientId: 'c', tenantId: 't', endpoint: 'http://acme.example' },
      'endpoint',
    ],
    [{ endpoint: 'https://10.0.0.4', accountKey: KEY }, 'accountName'],
  ] as [Record<string, string>, string][])('%j names the field at fault', (form, field) => {
    expect(() => open(form)).toThrow(expect.objectContaining({ code: 'INVALID_INPUT', field }));
  });
});

describe('shared key', () => {
  const request = {
    method: 'put',
    path: '/acme/c/a%20b',
    query: { comp: 'block', blockid: 'QUJD+/==', Timeout: '30' },
    headers: {
      'content-type': 'text/plain',
      'if-none-match': '*',
      'x-ms-version': '2023-11-03',
      'x-ms-date': 'Mon, 01 Jan 2026 00:00:00 GMT',
      'x-ms-meta-b1': 'one   two ',
      'x-ms-meta-b_': 'z',
    },
    bodyBytes: 5,
  };

  test('the string that is signed', () => {
    const lines = stringToSign('acme', request).split('\n');
    expect(lines.slice(0, 12)).toEqual(['PUT', '', '', '5', '', 'text/plain', '', '', '', '*', '', '']);
    expect(lines.slice(12)).toEqual([
      'x-ms-date:Mon, 01 Jan 2026 00:00:00 GMT',
      'x-ms-meta-b_:z',
      'x-ms-meta-b1:one two',
      'x-ms-version:2023-11-03',
      '/acme/acme/c/a%20b',
      'blockid:QUJD+/==',
      'comp:block',
      'timeout:30',
    ]);
    expect(stringToSign('acme', { ...request, bodyBytes: 0 }).split('\n')[3]).toBe('');
  });

  test('the signature is that of an independent computation', () => {
    // echo -n … | openssl dgst -sha256 -mac HMAC -macopt hexkey:0303…
    const small = { method: 'GET', path: '/', query: {}, headers: {}, bodyBytes: 0 };
    expect(stringToSign('acme', small)).toBe('GET\n\n\n\n\n\n\n\n\n\n\n\n/acme/');
    expect(sharedKeyAuthorization('acme', Buffer.from(KEY, 'base64'), small)).toBe(
      'SharedKey acme:RS9truJZh2+tAV43bIXp8nlvJ/xQ8VwpP1ZOgpEAgiE=',
    );
  });

  test('names sort with the underscore before digits before letters', () => {
    expect(['a1', 'a_', 'ab', 'a', 'a-b'].toSorted(compareHeaderNames)).toEqual(['a', 'a-b', 'a_', 'a1', 'ab']);
  });
});

describe('shared access signatures', () => {
  test('are read from a token, with or without a question mark, and from a whole address', () => {
    for (const text of [SAS, `?${SAS}`, `https://acme.blob.core.windows.net/c?${SAS}`]) {
      expect(parseSasToken(text)).toMatchObject({
        expiresAtMs: Date.UTC(2027, 0, 1),
        startsAtMs: Date.UTC(2026, 0, 1),
        permissions: 'racwl',
        scope: 'container',
        parameters: { sig: 'abc+/=' },
      });
    }
    expect(parseSasToken('sv=2023&ss=b&srt=sco&sp=rl&se=2027-01-01&sig=x')?.scope).toBe('account');
    expect(parseSasToken('si=policy&sr=b&sig=x')).toMatchObject({
      expiresAtMs: null,
      permissions: null,
      scope: 'blob',
    });
  });

  test.each(['', 'sv=2023-11-03', 'sig=', 'sig=x', 'hello'])('%j is none', (text) => {
    expect(parseSasToken(text)).toBeNull();
  });

  test('that are made let nobody do more than read one blob for a while', () => {
    const made = makeBlobReadSas({
      accountName: 'acme',
      key: Buffer.from(KEY, 'base64'),
      container: 'c',
      blob: 'a/b',
      versionId: null,
      nowMs: Date.UTC(2026, 0, 1),
      lifetimeMs: 3_600_000,
      isHttpsOnly: true,
    });
    const query = new URLSearchParams(made);
    expect([query.get('sp'), query.get('sr'), query.get('spr')]).toEqual(['r', 'b', 'https']);
    expect(query.get('se')).toBe('2026-01-01T01:00:00Z');
    expect(made).not.toContain(KEY);
  });
});

describe('access tokens', () => {
  test('are fetched once for all who ask, and renewed before they end', async () => {
    let nowMs = 0;
    let fetched = 0;
    const token = cachedTokens(
      async () => ({ token: `t${++fetched}`, expiresAtMs: nowMs + 3_600_000 }),
      () => nowMs,
    );
    expect(await Promise.all([token(signal), token(signal), token(signal)])).toEqual(['t1', 't1', 't1']);
    nowMs = 54 * 60_000;
    expect(await token(signal)).toBe('t1');
    nowMs = 56 * 60_000;
    expect(await token(signal)).toBe('t2');
    expect(fetched).toBe(2);
  });

  test('that cannot be renewed are used as long as they live', async () => {
    let nowMs = 0;
    let works = true;
    const token = cachedTokens(
      async () => {
        if (!works) throw new Error('down');
        return { token: 't', expiresAtMs: 3_600_000 };
      },
      () => nowMs,
    );
    expect(await token(signal)).toBe('t');
    works = false;
    nowMs = 58 * 60_000;
    expect(await token(signal)).toBe('t');
    nowMs = 61 * 60_000;
    await expect(token(signal)).rejects.toThrow('down');
    works = true;
    await expect(token(AbortSignal.abort())).rejects.toMatchObject({ code: 'CANCELLED' });
  });
});

test('the stand-in and the provider agree on the form', () => {
  expect('config' in parseConfig(ACCOUNT_FIELDS, simForm())).toBe(true);
});
