// Trust and proxies: whom a connection believes, which way it goes, and in which words it says that it could not.
import { createServer as createPlain, type IncomingMessage } from 'node:http';
import { createServer as createSecure } from 'node:https';
import { connect, createServer as createTcp, type Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { makeAuthority } from '../../test/certificates.ts';
import { httpServer, listening, put, request, streamOf, text, transport } from '../../test/wire.ts';
import { proxyChoice } from './http-proxy.ts';

const authority = makeAuthority();

async function secureServer(names: readonly string[], validity?: { fromMs?: number; untilMs?: number }) {
  const { certificate, key } = authority.issue(names, validity);
  const server = createSecure({ cert: certificate, key }, (incoming, outgoing) => {
    outgoing.setHeader('x-path', incoming.url ?? '');
    incoming.pipe(outgoing);
  });
  return listening(server);
}

/** A proxy that records what it was asked for, tunnels CONNECT to `target`, and answers plain requests itself. */
async function proxyServer(target: string | null, refuseWith = 200) {
  const seen: { line: string; headers: IncomingMessage['headers'] }[] = [];
  const server = createPlain((incoming, outgoing) => {
    seen.push({ line: `${incoming.method} ${incoming.url}`, headers: incoming.headers });
    outgoing.end('by proxy');
  });
  server.on('connect', (incoming: IncomingMessage, socket: Socket, head: Buffer) => {
    seen.push({ line: `CONNECT ${incoming.url}`, headers: incoming.headers });
    if (refuseWith !== 200 || target === null)
      return socket.end(`HTTP/1.1 ${refuseWith} No\r\ncontent-length: 0\r\n\r\n`);
    const [host, port] = target.split(':') as [string, string];
    const onward = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      onward.write(head);
      socket.pipe(onward).pipe(socket);
    });
    onward.on('error', () => socket.destroy());
    socket.on('error', () => onward.destroy());
    return undefined;
  });
  return { seen, address: await listening(server) };
}

describe('certificates', () => {
  test('of the given authority are believed, and bodies pass', async () => {
    const address = await secureServer(['127.0.0.1']);
    const client = transport(1, { caCertificate: authority.certificate });
    const content = Buffer.alloc(2_000_000, 'x');
    for (let round = 0; round < 2; round++) {
      const response = await client.send(
        request(`https://${address}`, { ...put(content.length, content), path: '/a//b' }),
      );
      expect(response.headers['x-path']).toBe('/a//b');
      expect(content.equals(await response.bytes(content.length))).toBe(true);
    }
  });

  const DAY_MS = 86_400_000;
  const ROWS: [string, () => Promise<string>, boolean, RegExp, string | null][] = [
    ['unknown authority', () => secureServer(['127.0.0.1']), false, /127\.0\.0\.1:\d+ is not trusted/, 'caCertificate'],
    ['another name', () => secureServer(['other.test']), true, /127\.0\.0\.1:\d+ is for another name/, null],
    [
      'expired',
      () => secureServer(['127.0.0.1'], { fromMs: Date.now() - 2 * DAY_MS, untilMs: Date.now() - DAY_MS }),
      true,
      /has expired/,
      null,
    ],
    [
      'not valid yet',
      () => secureServer(['127.0.0.1'], { fromMs: Date.now() + DAY_MS / 2 }),
      true,
      /not valid yet/,
      null,
    ],
    [
      'no TLS at all',
      async () => (await httpServer((_incoming, outgoing) => outgoing.end())).slice(7),
      true,
      /not speak TLS/,
      null,
    ],
  ];
  for (const [name, start, isTrusted, message, field] of ROWS) {
    test(`${name}: refused, with the reason`, async () => {
      const address = await start();
      const client = transport(1, isTrusted ? { caCertificate: authority.certificate } : {});
      const sending = client.send(request(`https://${address}`));
      await expect(sending).rejects.toMatchObject({
        code: 'UNREACHABLE',
        message: expect.stringMatching(message),
        field,
      });
      // The lane comes back after a failed connection, too.
      await expect(client.send(request(`https://${address}`))).rejects.toMatchObject({ code: 'UNREACHABLE' });
    });
  }

  test('text that is no certificate', () => {
    for (const caCertificate of ['hello', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----']) {
      expect(() => transport(1, { caCertificate })).toThrow(
        expect.objectContaining({ code: 'INVALID_INPUT', field: 'caCertificate' }),
      );
    }
  });
});

describe('proxies', () => {
  test('https goes through a tunnel that carries the names and the password of the proxy only', async () => {
    const address = await secureServer(['127.0.0.1']);
    const proxy = await proxyServer(address);
    const environment = { HTTPS_PROXY: `http://me:p%40ss@${proxy.address}` };
    const client = transport(2, { environment, caCertificate: authority.certificate });
    for (let round = 0; round < 2; round++) {
      const { content } = streamOf(['ab', 'c']);
      const response = await client.send(request(`https://${address}`, { ...put(3, content), path: '/a/../b' }));
      expect(response.headers['x-path']).toBe('/a/../b');
      expect(await text(response)).toBe('abc');
    }
    expect(proxy.seen.map(({ line }) => line)).toEqual([`CONNECT ${address}`]);
    expect(proxy.seen[0]!.headers).toMatchObject({
      host: address,
      'proxy-authorization': `Basic ${Buffer.from('me:p@ss').toString('base64')}`,
    });
  });

  test('the tunnel does not make the certificate any less checked', async () => {
    const address = await secureServer(['127.0.0.1']);
    const proxy = await proxyServer(address);
    const client = transport(1, { environment: { https_proxy: proxy.address } });
    await expect(client.send(request(`https://${address}`))).rejects.toMatchObject({ field: 'caCertificate' });
  });

  test('http is sent to the proxy with the whole address, the path unchanged', async () => {
    const proxy = await proxyServer(null);
    const client = transport(1, { environment: { http_proxy: `http://me:secret@${proxy.address}` } });
    const response = await client.send(request('http://storage.test:81', { path: '/a/../b//c%20?x=%2B' }));
    expect(await text(response)).toBe('by proxy');
    expect(proxy.seen[0]!.line).toBe('GET http://storage.test:81/a/../b//c%20?x=%2B');
    expect(proxy.seen[0]!.headers.host).toBe('storage.test:81');
    expect(proxy.seen[0]!.headers['proxy-authorization']).toBe(`Basic ${Buffer.from('me:secret').toString('base64')}`);
  });

  for (const [status, words] of [
    [407, 'user name'],
    [403, 'it answered 403'],
  ] as const) {
    test(`a proxy that refuses with ${status}`, async () => {
      const proxy = await proxyServer(null, status);
      const client = transport(1, { environment: { https_proxy: `http://u:hidden@${proxy.address}` } });
      const sending = client.send(request('https://storage.test'));
      await expect(sending).rejects.toMatchObject({ code: 'UNREACHABLE', message: expect.stringContaining(words) });
      await expect(sending).rejects.toMatchObject({ message: expect.stringContaining('storage.test:443') });
      await expect(sending).rejects.not.toMatchObject({ message: expect.stringContaining('hidden') });
    });
  }

  test('a proxy that is not there is named', async () => {
    const client = transport(1, { environment: { https_proxy: 'http://no-such-proxy.invalid:3128' } });
    await expect(client.send(request('https://storage.test'))).rejects.toMatchObject({
      code: 'UNREACHABLE',
      message: 'The name no-such-proxy.invalid cannot be found.',
    });
  });

  test('a proxy that does not answer can be given up', async () => {
    const { promise: isAsked, resolve: asked } = Promise.withResolvers<unknown>();
    const { promise: isGivenUp, resolve: givenUp } = Promise.withResolvers<unknown>();
    const mute = createTcp((socket) => socket.on('data', asked).on('close', givenUp));
    const client = transport(1, { environment: { https_proxy: `http://${await listening(mute)}` } });
    const stop = new AbortController();
    const sending = client.send(request('https://storage.test', { signal: stop.signal }));
    await isAsked;
    stop.abort();
    await expect(sending).rejects.toMatchObject({ code: 'CANCELLED' });
    await isGivenUp;
  });

  for (const value of ['socks5://host:1080', 'http://', 'http://u:hidden@bad host']) {
    test(`${value} is no proxy, and the value stays unsaid`, () => {
      const environment = { HTTPS_PROXY: value };
      expect(() => transport(1, { environment })).toThrow(
        expect.objectContaining({ code: 'INVALID_INPUT', message: 'HTTPS_PROXY must name an http or https proxy.' }),
      );
    });
  }
});

describe('who goes direct', () => {
  const ROWS: [string, string, boolean][] = [
    ['', 'https://a.test', false],
    ['', 'http://127.0.0.1:9000', false],
    ['*', 'https://a.test', true],
    ['a.test', 'https://a.test', true],
    ['A.Test', 'https://a.TEST', true],
    ['a.test', 'https://b.a.test', true],
    ['.a.test', 'https://b.a.test', true],
    ['.a.test', 'https://a.test', true],
    ['a.test', 'https://ba.test', false],
    ['a.test', 'https://a.test.evil', false],
    ['b.a.test', 'https://a.test', false],
    ['x, a.test ,y', 'https://a.test', true],
    ['x a.test', 'https://a.test', true],
    ['*.a.test', 'https://b.a.test', false],
    ['a.test:8443', 'https://a.test:8443', true],
    ['a.test:8443', 'https://a.test', false],
    ['a.test:443', 'https://a.test', true],
    ['a.test:80', 'http://a.test', true],
    ['127.0.0.1', 'http://127.0.0.1:9000', true],
    ['27.0.0.1', 'http://127.0.0.1:9000', false],
    ['::1', 'http://[::1]:9000', true],
    ['[::1]', 'http://[::1]:9000', true],
    ['[::1]:9000', 'http://[::1]:9000', true],
    ['[::1]:9001', 'http://[::1]:9000', false],
    ['a.test', 'https://a.test.', true],
  ];
  for (const [exceptions, origin, isDirect] of ROWS) {
    test(`NO_PROXY="${exceptions}" ${origin}: ${isDirect ? 'direct' : 'proxy'}`, () => {
      const proxies = { HTTP_PROXY: 'http://p.test:1', HTTPS_PROXY: 'http://p.test:2' };
      const choice = proxyChoice({ ...proxies, NO_PROXY: exceptions })(origin);
      expect(choice === null).toBe(isDirect);
    });
  }

  test('lower-case names win, empty ones do not count, each scheme has its own', () => {
    const choose = proxyChoice({ https_proxy: 'p1.test:8080', HTTPS_PROXY: 'http://p2.test', http_proxy: '' });
    expect(choose('https://a.test')).toEqual({ origin: 'http://p1.test:8080', authorization: null });
    expect(choose('http://a.test')).toBeNull();
    expect(proxyChoice({ no_proxy: '', NO_PROXY: '*', HTTP_PROXY: 'http://p' })('http://a.test')).toBeNull();
  });
});
