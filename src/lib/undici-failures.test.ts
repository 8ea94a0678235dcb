// Everything that can go wrong on the way, each with its own code: the engine decides by the code alone. Servers are real
// sockets on loopback that cut, reset, stall and answer too early.
import { createServer as createHttpServer } from 'node:http';
import { createServer, type Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import type { DroverError } from '../model/errors.ts';
import { seededRandom } from './fake-world.ts';
import type { HttpRequest } from './transport.ts';
import { httpServer, listening, OK, put, request, streamOf, text, transport, wire } from '../../test/wire.ts';

describe('endings that are not good', () => {
  test('fewer bytes than content-length said', async () => {
    const server = await wire((socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc'));
    const response = await transport().send(request(server.origin));
    await expect(response.bytes(100)).rejects.toMatchObject({ code: 'EARLY_END' });
  });

  test('a chunked answer that is cut', async () => {
    const server = await wire((socket) => {
      socket.end('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nabc');
    });
    const response = await transport().send(request(server.origin));
    await expect(response.bytes(100)).rejects.toMatchObject({ code: 'EARLY_END' });
  });

  test('a reset in the middle of the answer', async () => {
    const sockets: Socket[] = [];
    const server = await wire((socket) => {
      sockets.push(socket);
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc');
    });
    const response = await transport().send(request(server.origin));
    for (const socket of sockets) socket.resetAndDestroy();
    await expect(response.bytes(100)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  test('a new connection that is closed without an answer is not tried again', async () => {
    const server = await wire((socket) => socket.destroy());
    await expect(transport().send(request(server.origin))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(server.heads).toHaveLength(1);
  });

  test('something that is not HTTP', async () => {
    const server = await wire((socket) => socket.write('SSH-2.0-OpenSSH\r\n'));
    await expect(transport().send(request(server.origin))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  test('silence before and inside an answer', async () => {
    const mute = await wire(() => undefined);
    const failing = transport().send(request(mute.origin, { idleMsMax: 150 }));
    await expect(failing).rejects.toMatchObject({ code: 'TIMED_OUT', message: expect.stringContaining('127.0.0.1') });
    const stalling = await wire((socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc'));
    // Long enough for the begin of the answer, on a busy machine, too.
    const response = await transport().send(request(stalling.origin, { idleMsMax: 700 }));
    await expect(response.bytes(100)).rejects.toMatchObject({ code: 'TIMED_OUT' });
  });

  test('what the service said while this process stood still counts', async () => {
    const standstill = (ms: number): void => {
      for (const endMs = performance.now() + ms; performance.now() < endMs;);
    };
    const server = await wire((socket) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n');
      standstill(200);
      setTimeout(() => {
        socket.write('abc');
        standstill(200);
      }, 20);
    });
    const response = await transport().send(request(server.origin, { idleMsMax: 100 }));
    expect(await text(response)).toBe('abc');
  });

  test('our own slowness is not silence of the service', async () => {
    const origin = await httpServer((incoming, outgoing) => incoming.pipe(outgoing));
    const mute = await wire(() => undefined);
    // So long as the same patience lasts with a service that is really silent, twice.
    const patience = { idleMsMax: 150 };
    const outlasted = async (): Promise<void> => {
      for (let times = 0; times < 2; times++) {
        await expect(transport().send(request(mute.origin, patience))).rejects.toMatchObject({ code: 'TIMED_OUT' });
      }
    };
    const { content } = streamOf(['a', outlasted().then(() => 'b')]);
    const response = await transport().send(request(origin, { ...put(2, content), ...patience }));
    await outlasted();
    expect(await text(response)).toBe('ab');
  });

  test('nothing listens, the name is unknown', async () => {
    // One that is given to nobody who asks for any.
    await expect(transport().send(request('http://127.0.0.1:9'))).rejects.toMatchObject({
      code: 'UNREACHABLE',
      message: 'Nothing listens at 127.0.0.1:9.',
    });
    await expect(transport().send(request('http://no-such-host.invalid'))).rejects.toMatchObject({
      code: 'UNREACHABLE',
      message: 'The name no-such-host.invalid cannot be found.',
    });
    await expect(transport().send(request('ftp://host'))).rejects.toMatchObject({ code: 'INVALID_INPUT' });
  });

  test('headers that cannot be sent', async () => {
    const server = await wire((socket) => socket.write(OK));
    const failing = transport().send(request(server.origin, { headers: { 'x-a': 'line\nbreak' } }));
    await expect(failing).rejects.toMatchObject({ code: 'INTERNAL' });
  });
});

describe('kept connections that the service closed', () => {
  /** Answers the first request of a connection and closes the connection under the second one. */
  async function closingUnderSecond() {
    const counts = new Map<number, number>();
    return wire((socket, _head, connection) => {
      const count = (counts.get(connection) ?? 0) + 1;
      counts.set(connection, count);
      if (count === 1) socket.write(OK);
      else socket.destroy();
    });
  }

  const ROWS: [string, Partial<HttpRequest>, 'again' | 'UNAVAILABLE'][] = [
    ['GET', {}, 'again'],
    ['PUT of a buffer', put(1, Buffer.from('x')), 'again'],
    ['DELETE', { method: 'DELETE' }, 'again'],
    ['POST', { method: 'POST' }, 'UNAVAILABLE'],
    ['PUT with a condition', { ...put(1, Buffer.from('x')), headers: { 'if-none-match': '*' } }, 'UNAVAILABLE'],
    ['PUT of a stream', put(1, streamOf(['x']).content), 'UNAVAILABLE'],
  ];
  for (const [name, given, want] of ROWS) {
    test(`${name}: ${want}`, async () => {
      const server = await closingUnderSecond();
      const client = transport(1);
      await (await client.send(request(server.origin))).discard();
      const second = client.send(request(server.origin, given));
      if (want === 'again') expect(await text(await second)).toBe('ok');
      else await expect(second).rejects.toMatchObject({ code: want });
      expect(server.heads).toHaveLength(want === 'again' ? 3 : 2);
      // Whatever happened, the one lane is free again.
      expect(await text(await client.send(request(server.origin)))).toBe('ok');
    });
  }
});

describe('bodies that do not fit', () => {
  const ROWS: [string, number, readonly (string | Error)[], string][] = [
    ['a stream that is too short', 5, ['abc'], 'EARLY_END'],
    ['a stream that is too long', 5, ['abc', 'def'], 'EXTRA_BYTES'],
    ['a stream that goes on after its size', 3, ['abc', 'd'], 'EXTRA_BYTES'],
    ['a stream that fails', 5, ['abc', new Error('broken')], 'INTERNAL'],
    ['a stream that fails after its last byte', 3, ['abc', new Error('broken')], 'INTERNAL'],
    ['an empty stream that is not', 0, ['a'], 'EXTRA_BYTES'],
  ];
  for (const [name, sizeBytes, chunks, code] of ROWS) {
    test(`${name} is never a whole request`, async () => {
      let wholeRequests = 0;
      const origin = await httpServer((incoming, outgoing) => {
        incoming.on('end', () => wholeRequests++).on('error', () => undefined);
        incoming.resume().on('end', () => outgoing.end());
      });
      const client = transport(1);
      const { content, state } = streamOf(chunks);
      await expect(client.send(request(origin, put(sizeBytes, content)))).rejects.toMatchObject({ code });
      expect(state.closed).toBe(true);
      await (await client.send(request(origin))).discard();
      expect(wholeRequests).toBe(1);
    });
  }
  for (const [size, code] of [
    [4, 'EARLY_END'],
    [2, 'EXTRA_BYTES'],
  ] as const) {
    test(`a buffer of 3 bytes declared as ${size}`, async () => {
      const failing = transport().send(request('http://127.0.0.1:9', put(size, Buffer.from('abc'))));
      await expect(failing).rejects.toMatchObject({ code });
    });
  }
});

describe('ending early', () => {
  for (const status of [403, 412, 200]) {
    test(`a ${status} that comes before the body is sent is the answer`, async () => {
      const server = await wire((socket) => {
        socket.write(`HTTP/1.1 ${status} X\r\ncontent-length: 4\r\n\r\nwhy?`);
      });
      const never = new Promise<string>(() => undefined);
      const { content } = streamOf(['first', never]);
      let returned = 0;
      const body: AsyncIterable<Uint8Array> = {
        [Symbol.asyncIterator]: () => ({
          next: () => content.next(),
          return: () => {
            returned++;
            return Promise.resolve({ done: true, value: undefined });
          },
        }),
      };
      const client = transport(1);
      const response = await client.send(request(server.origin, put(1_000_000, body)));
      expect(response.status).toBe(status);
      expect(await text(response)).toBe('why?');
      expect(returned).toBe(1);
      expect(await text(await client.send(request(server.origin)))).toBe('why?');
    });
  }

  test('the signal: before, while waiting for a connection, for an answer, and inside the body', async () => {
    const server = await wire((socket, head) => {
      if (head.includes('/stall')) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc');
      else if (!head.includes('/mute')) socket.write(OK);
    });
    const client = transport(1);
    const isCancelled = { code: 'CANCELLED' };
    await expect(client.send(request(server.origin, { signal: AbortSignal.abort() }))).rejects.toMatchObject(
      isCancelled,
    );

    const stop = new AbortController();
    const mute = client.send(request(server.origin, { path: '/mute', signal: stop.signal }));
    const queuedStop = new AbortController();
    const queued = streamOf(['x']);
    await queued.content.next();
    const waiting = client.send(request(server.origin, { ...put(1, queued.content), signal: queuedStop.signal }));
    queuedStop.abort();
    await expect(waiting).rejects.toMatchObject(isCancelled);
    expect(queued.state.closed).toBe(true);
    stop.abort();
    await expect(mute).rejects.toMatchObject(isCancelled);

    const later = new AbortController();
    const response = await client.send(request(server.origin, { path: '/stall', signal: later.signal }));
    const reading = response.bytes(100);
    later.abort();
    await expect(reading).rejects.toMatchObject(isCancelled);
    expect(await text(await client.send(request(server.origin)))).toBe('ok');
  });

  test('a connection that is still being opened is given up at once', async () => {
    const { promise: isGivenUp, resolve: givenUp } = Promise.withResolvers<unknown>();
    const { promise: isOpening, resolve: opening } = Promise.withResolvers<unknown>();
    // It takes connections and never begins with TLS.
    const mute = createServer((socket) => socket.on('data', opening).on('close', givenUp));
    const origin = `https://${await listening(mute)}`;
    const stop = new AbortController();
    const client = transport(1);
    const sending = client.send(request(origin, { signal: stop.signal }));
    const queued = client.send(request(origin, { signal: stop.signal }));
    await isOpening;
    stop.abort();
    for (const outcome of await Promise.allSettled([sending, queued])) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'CANCELLED' } });
    }
    await isGivenUp;
  });

  test('whatever happens to requests, in any mixture, their connections can be used again', async () => {
    const ways = ['/ok', '/mute', '/reset', '/cut', '/stall', '/early'];
    const server = await wire((socket, head) => {
      if (head.includes('/ok')) socket.write(OK);
      if (head.includes('/reset')) socket.resetAndDestroy();
      if (head.includes('/cut')) socket.end('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc');
      if (head.includes('/stall')) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc');
      if (head.includes('/early')) socket.write('HTTP/1.1 403 No\r\ncontent-length: 2\r\n\r\nno');
    });
    const random = seededRandom(1);
    const client = transport(3);
    const outcomes = new Set<string>();
    const one = async (): Promise<void> => {
      const path = ways[Math.floor(random.fraction() * ways.length)] as string;
      const stop = new AbortController();
      const body = random.fraction() < 0.5 ? put(200_000, streamOf(Array(20).fill('x'.repeat(10_000))).content) : {};
      const sending = client.send(request(server.origin, { ...body, path, signal: stop.signal, idleMsMax: 60 }));
      if (random.fraction() < 0.3) setTimeout(() => stop.abort(), random.fraction() * 30);
      try {
        const response = await sending;
        outcomes.add(String(response.status));
        if (random.fraction() < 0.3) return await response.discard();
        await response.bytes(1000);
      } catch (error) {
        outcomes.add((error as DroverError).code);
      }
    };
    await Promise.all(Array.from({ length: 300 }, one));
    expect([...outcomes].toSorted()).toEqual(['200', '403', 'CANCELLED', 'EARLY_END', 'TIMED_OUT', 'UNAVAILABLE']);
    const after = Array.from({ length: 6 }, async () =>
      text(await client.send(request(server.origin, { path: '/ok' }))),
    );
    expect(await Promise.all(after)).toEqual(Array.from({ length: 6 }, () => 'ok'));
  });

  test('a closed transport leaves no connection', async () => {
    const sockets = new Set<Socket>();
    const server = createHttpServer((_incoming, outgoing) => outgoing.end('ok'));
    server.on('connection', (socket: Socket) => sockets.add(socket));
    const origin = `http://${await listening(server)}`;
    const client = transport();
    await (await client.send(request(origin))).discard();
    const [socket] = sockets;
    const closed = new Promise((resolve) => socket!.on('close', resolve));
    await client.close();
    await closed;
  });
});
