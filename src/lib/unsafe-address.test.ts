import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DroverError } from '../model/errors.ts';
import { isUnsafeAddress } from './unsafe-address.ts';
import { openUndiciTransport } from './undici-transport.ts';

describe('addresses of metadata services', () => {
  const unsafe = [
    '169.254.169.254',
    '169.254.170.2',
    '100.100.100.200',
    '168.63.129.16',
    'fe80::1',
    'fe80::1%eth0',
    'febf::',
    'fd00:ec2::254',
    '::ffff:169.254.169.254',
    '64:ff9b::a9fe:a9fe',
    '2002:a9fe:a9fe::1',
    'metadata.google.internal',
    'Metadata.Google.Internal.',
  ];
  const safe = [
    '127.0.0.1',
    '10.0.0.1',
    '192.168.1.1',
    '169.253.0.1',
    '::1',
    'fd00::1',
    'fec0::',
    '64:ff9b::808:808',
    'metadata.example.com',
    's3.amazonaws.com',
  ];
  test.each(unsafe)('%s is one', (host) => expect(isUnsafeAddress(host)).toBe(true));
  test.each(safe)('%s is none', (host) => expect(isUnsafeAddress(host)).toBe(false));
});

describe('the check before connecting', () => {
  const server = createServer((_, response) => response.end('here'));
  let port: number;
  beforeAll(async () => {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    port = (server.address() as AddressInfo).port;
  });
  afterAll(() => server.close());

  const asked: string[] = [];
  const refusing = (host: string, address: string): void => {
    asked.push(`${host} ${address}`);
    throw new DroverError('UNSAFE_ADDRESS', `${host} stands at ${address}.`);
  };
  const send = async (origin: string, environment = {}, checkAddress = refusing): Promise<number> => {
    const transport = openUndiciTransport(environment)({ caCertificate: null, connectionsMax: 1, checkAddress });
    try {
      const response = await transport.send({
        method: 'GET',
        origin,
        path: '/',
        headers: {},
        body: null,
        operation: 'GET',
        signal: new AbortController().signal,
      });
      await response.discard();
      return response.status;
    } finally {
      await transport.close();
    }
  };

  test('an address is looked at, and a name after it was resolved', async () => {
    await expect(send(`http://127.0.0.1:${port}`)).rejects.toMatchObject({ code: 'UNSAFE_ADDRESS' });
    expect(asked.splice(0)).toEqual(['127.0.0.1 127.0.0.1']);
    await expect(send(`http://localhost:${port}`)).rejects.toMatchObject({ code: 'UNSAFE_ADDRESS' });
    expect(asked.splice(0)[0]).toMatch(/^localhost (127\.0\.0\.1|::1)$/);
  });

  test('behind a proxy the name itself is looked at, for both schemes, and the proxy is not', async () => {
    const proxy = `http://127.0.0.1:${port}`;
    for (const scheme of ['http', 'https']) {
      const environment = { HTTP_PROXY: proxy, HTTPS_PROXY: proxy };
      await expect(send(`${scheme}://metadata.test`, environment)).rejects.toMatchObject({ code: 'UNSAFE_ADDRESS' });
      expect(asked.splice(0)).toEqual(['metadata.test metadata.test']);
    }
  });

  test('what passes is connected to', async () => {
    const seen: string[] = [];
    const passing = (host: string, address: string): void => void seen.push(`${host} ${address}`);
    expect(await send(`http://localhost:${port}`, {}, passing)).toBe(200);
    expect(seen.length).toBeGreaterThan(0);
  });
});
