// What goes over the wire and what comes back, against real sockets on loopback: requests leave byte for byte as they
// were built, and answers arrive untouched at the speed of their reader.
import { describe, expect, test } from 'vitest';
import type { HttpRequest } from './transport.ts';
import { httpServer, OK, put, request, streamOf, text, transport, wire } from '../../test/wire.ts';

describe('requests on the wire', () => {
  test('path and query go out byte for byte, and nothing is added but what is promised', async () => {
    const server = await wire((socket) => socket.write(OK));
    const path = '/a/../b//c%20?x=%2B&y=a+b&%7e=~;';
    await (await transport().send(request(server.origin, { path, headers: { 'x-name': 'v\u00e9' } }))).discard();
    const [line, ...lines] = server.heads[0]!.trim().split('\r\n');
    expect(line).toBe(`GET ${path} HTTP/1.1`);
    expect(lines.toSorted()).toEqual([
      'accept-encoding: identity',
      'connection: keep-alive',
      `host: ${new URL(server.origin).host}`,
      'x-name: v\u00e9',
    ]);
  });

  test('host and content-length of the caller do not count', async () => {
    const server = await wire((socket) => socket.write(OK));
    const headers = { host: 'elsewhere.test', 'content-length': '99' };
    await (await transport().send(request(server.origin, { ...put(3, Buffer.from('abc')), headers }))).discard();
    expect(server.heads[0]).toContain(`host: ${new URL(server.origin).host}\r\n`);
    expect(server.heads[0]).toContain('content-length: 3\r\n');
    expect(server.heads[0]).not.toMatch(/elsewhere|content-length: 99/i);
  });

  test('accept-encoding of the caller stays', async () => {
    const server = await wire((socket) => socket.write(OK));
    await (await transport().send(request(server.origin, { headers: { 'accept-encoding': 'gzip' } }))).discard();
    expect(server.heads[0]).toContain('accept-encoding: gzip\r\n');
    expect(server.heads[0]).not.toContain('identity');
  });

  const LENGTHS: [string, Partial<HttpRequest>, string | null][] = [
    ['GET without a body', {}, null],
    ['DELETE without a body', { method: 'DELETE' }, null],
    ['PUT without a body', { method: 'PUT' }, '0'],
    ['PUT of an empty buffer', put(0, new Uint8Array(0)), '0'],
    ['PUT of an empty stream', put(0, streamOf([]).content), '0'],
    ['PUT of a buffer', put(3, Buffer.from('abc')), '3'],
    ['PUT of a stream', put(3, streamOf(['a', '', 'bc']).content), '3'],
  ];
  for (const [name, given, want] of LENGTHS) {
    test(`content-length of ${name}`, async () => {
      const server = await wire((socket) => socket.write(OK));
      await (await transport().send(request(server.origin, given))).discard();
      expect(/content-length: (\d+)/.exec(server.heads[0]!)?.[1] ?? null).toBe(want);
      expect(server.heads[0]).not.toContain('transfer-encoding');
    });
  }

  test('large buffers and streams arrive unchanged', async () => {
    const origin = await httpServer((incoming, outgoing) => incoming.pipe(outgoing.writeHead(200)));
    const content = Buffer.from(Array.from({ length: 3_000_000 }, (_, i) => (i * 7) % 251));
    const chunks = async function* () {
      for (let at = 0; at < content.length; at += 70_001) yield content.subarray(at, at + 70_001);
    };
    for (const body of [content, chunks()]) {
      const response = await transport().send(request(origin, put(content.length, body)));
      expect(content.equals(await response.bytes(content.length))).toBe(true);
    }
  });

  test('connections are kept, also after HEAD and discarded bodies, and not more than allowed are opened', async () => {
    const server = await wire((socket, head) => {
      socket.write(head.startsWith('HEAD') ? 'HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n' : OK);
    });
    const client = transport(2);
    for (const method of ['GET', 'HEAD', 'HEAD', 'DELETE', 'GET']) {
      const response = await client.send(request(server.origin, { method }));
      await response.discard();
      await response.discard();
    }
    expect(server.connections()).toBe(1);
    const many = Array.from({ length: 10 }, async () => text(await client.send(request(server.origin))));
    expect(await Promise.all(many)).toEqual(Array.from({ length: 10 }, () => 'ok'));
    expect(server.connections()).toBe(2);
  });
});

describe('answers', () => {
  const STATUSES = [200, 204, 301, 307, 403, 404, 412, 429, 500, 503];
  for (const status of STATUSES) {
    test(`${status} is an answer`, async () => {
      const body = status === 204 ? '' : 'content-length: 1\r\n';
      const server = await wire((socket) => {
        socket.write(`HTTP/1.1 ${status} X\r\n${body}location: /elsewhere\r\n\r\n${body === '' ? '' : 'x'}`);
      });
      const response = await transport().send(request(server.origin));
      expect(response.status).toBe(status);
      expect(await text(response)).toBe(body === '' ? '' : 'x');
      expect(server.heads).toHaveLength(1);
    });
  }

  test('headers: lower case, repeated ones joined, bytes kept', async () => {
    const server = await wire((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nX-A: 1\r\nx-a: 2\r\nX-B: caf\u00e9\r\nContent-Length: 0\r\n\r\n', 'latin1');
    });
    const { headers } = await transport().send(request(server.origin));
    expect(headers).toEqual({ 'x-a': '1, 2', 'x-b': 'caf\u00e9', 'content-length': '0' });
  });

  test('nothing is decompressed', async () => {
    const server = await wire((socket) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 3\r\n\r\nabc');
    });
    expect(await text(await transport().send(request(server.origin)))).toBe('abc');
  });

  test('informational answers before the real one are passed over', async () => {
    const server = await wire((socket) => socket.write(`HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n${OK}`));
    const response = await transport().send(request(server.origin));
    expect([response.status, await text(response)]).toEqual([200, 'ok']);
  });

  test('chunked, and until the connection closes', async () => {
    const chunked = await wire((socket) => {
      socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n');
    });
    expect(await text(await transport().send(request(chunked.origin)))).toBe('abc');
    const closing = await wire((socket) => socket.end('HTTP/1.1 200 OK\r\n\r\nabc'));
    expect(await text(await transport().send(request(closing.origin)))).toBe('abc');
  });

  test("bytes after the end of an answer are nobody else's answer", async () => {
    const server = await wire((socket) => socket.write(`${OK}HTTP/1.1 500 Forged\r\ncontent-length: 0\r\n\r\n`));
    const client = transport(1);
    for (let round = 0; round < 3; round++) {
      const response = await client.send(request(server.origin));
      expect([response.status, await text(response)]).toEqual([200, 'ok']);
    }
    expect(server.connections()).toBe(3);
  });

  test('a very long patience is not a short one', async () => {
    const origin = await httpServer((_incoming, outgoing) => setTimeout(() => outgoing.end('ok'), 100));
    const response = await transport().send(request(origin, { idleMsMax: Number.MAX_SAFE_INTEGER }));
    expect(await text(response)).toBe('ok');
  });

  test('a body that is larger than wanted', async () => {
    const server = await wire((socket) => socket.write(OK));
    const response = await transport().send(request(server.origin));
    await expect(response.bytes(1)).rejects.toMatchObject({ code: 'EXTRA_BYTES' });
  });

  test('leaving the loop early frees the connection', async () => {
    const origin = await httpServer((_incoming, outgoing) => {
      outgoing.writeHead(200, { 'content-length': 50_000_000 });
      outgoing.write(Buffer.alloc(1_000_000));
    });
    const client = transport(1);
    for (let round = 0; round < 3; round++) {
      const response = await client.send(request(origin));
      for await (const chunk of response.body) {
        expect(chunk.length).toBeGreaterThan(0);
        break;
      }
      await response.discard();
    }
  });

  test('an unread body is not read ahead without bounds', async () => {
    const written: number[] = [];
    const server = await wire((socket) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 60000000\r\n\r\n');
      const own = written.push(0) - 1;
      const more = (): void => {
        while ((written[own] as number) < 60_000_000) {
          (written[own] as number) += 100_000;
          if (!socket.write(Buffer.alloc(100_000))) return void socket.once('drain', more);
        }
      };
      more();
    });
    const client = transport();
    const response = await client.send(request(server.origin));
    // As much as all of it goes by on another connection meanwhile.
    for await (const chunk of (await client.send(request(server.origin))).body) expect(chunk.length).toBeGreaterThan(0);
    expect(written).toEqual([expect.any(Number), 60_000_000]);
    expect(written[0]).toBeLessThan(20_000_000);
    let readBytes = 0;
    for await (const chunk of response.body) readBytes += chunk.length;
    expect(readBytes).toBe(60_000_000);
  });
});
