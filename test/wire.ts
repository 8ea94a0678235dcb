/** Servers on loopback sockets for tests of the network: every byte that was sent is seen, and any answer can be given. */
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';
import type { HttpRequest, RequestBody, Transport } from '../src/lib/transport.ts';
import { openUndiciTransport } from '../src/lib/undici-transport.ts';

export const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';

/** A transport that is closed with the test. */
export function transport(
  connectionsMax = 4,
  options: { environment?: Record<string, string>; caCertificate?: string } = {},
): Transport {
  const open = openUndiciTransport(options.environment ?? {});
  const opened = open({ caCertificate: options.caCertificate ?? null, connectionsMax });
  onTestFinished(() => opened.close());
  return opened;
}

/** Starts it until the test ends, and gives `host:port`. */
export async function listening(server: Server, host = '127.0.0.1'): Promise<string> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket.on('close', () => sockets.delete(socket)));
    socket.on('error', () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `${host}:${(server.address() as AddressInfo).port}`;
}

/** `answer` gets a connection and everything it sent up to and including the first empty line. */
export async function wire(answer: (socket: Socket, head: string, connection: number) => void) {
  const heads: string[] = [];
  let connections = 0;
  const address = await listening(
    createServer((socket) => {
      const connection = ++connections;
      let seen = '';
      socket.on('data', (chunk) => {
        seen += chunk.toString('latin1');
        for (let end = seen.indexOf('\r\n\r\n'); end >= 0; end = seen.indexOf('\r\n\r\n')) {
          // What stands before it is the rest of an earlier request's body.
          const start = seen.search(/[A-Z]+ \S+ HTTP\/1\.1\r\n/);
          const head = seen.slice(Math.max(0, start), end + 4);
          seen = '';
          if (start < 0) continue;
          heads.push(head);
          answer(socket, head, connection);
        }
      });
    }),
  );
  return { origin: `http://${address}`, heads, connections: () => connections };
}

export async function httpServer(listener: RequestListener): Promise<string> {
  return `http://${await listening(createHttpServer(listener))}`;
}

export function request(origin: string, given: Partial<HttpRequest> = {}): HttpRequest {
  return {
    method: 'GET',
    origin,
    path: '/',
    headers: {},
    body: null,
    operation: 'GET',
    signal: new AbortController().signal,
    ...given,
  };
}

export async function text(of: { bytes(max: number): Promise<Uint8Array> }): Promise<string> {
  return Buffer.from(await of.bytes(1 << 20)).toString('latin1');
}

/** A stream that remembers whether it was closed. */
export function streamOf(chunks: readonly (string | Promise<string> | Error)[]) {
  const state = { closed: false, pulled: 0 };
  async function* run(): AsyncGenerator<Uint8Array> {
    try {
      for (const chunk of chunks) {
        state.pulled++;
        if (chunk instanceof Error) throw chunk;
        yield Buffer.from(await chunk);
      }
    } finally {
      state.closed = true;
    }
  }
  return { state, content: run() };
}

export function put(sizeBytes: number, content: RequestBody['content']): Partial<HttpRequest> {
  return { method: 'PUT', operation: 'PUT', body: { sizeBytes, content } };
}
