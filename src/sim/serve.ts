/** A simulated service behind a real socket on loopback, for the demo and for tests across processes. */

import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { SimRequest, SimResponse, SimService } from './http.ts';

export interface ServedService {
  /** `http://127.0.0.1:{port}` */
  readonly origin: string;
  /** Ends open connections too. */
  close(): Promise<void>;
}

export interface ServeOptions {
  /** Larger request bodies are answered 413 and dropped. Default 512 MiB. */
  readonly bodyBytesMax?: number;
}

/** `port` 0 takes a free one. The body of a request is held in memory; that of an answer is streamed. */
export async function serveOnLoopback(
  service: SimService,
  port = 0,
  options: ServeOptions = {},
): Promise<ServedService> {
  const bodyBytesMax = options.bodyBytesMax ?? 512 * 1024 * 1024;
  const server = createServer((incoming, outgoing) => {
    answer(service, incoming, outgoing, bodyBytesMax).catch((fault: unknown) => {
      const words = fault instanceof Error ? fault.message : String(fault);
      if (outgoing.headersSent || outgoing.destroyed) outgoing.destroy();
      else outgoing.writeHead(500, { 'content-type': 'text/plain' }).end(`The simulated service failed: ${words}`);
    });
  });
  server.on('checkContinue', (incoming, outgoing) => {
    outgoing.writeContinue();
    server.emit('request', incoming, outgoing);
  });
  server.requestTimeout = 0;
  // Who keeps a connection may use it, however long it stood still in between.
  server.keepAliveTimeout = 0;
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The server has no port.');
  return {
    origin: `http://127.0.0.1:${address.port}`,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function answer(
  service: SimService,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  bodyBytesMax: number,
): Promise<void> {
  const body = await readBody(incoming, bodyBytesMax);
  if (body === null) {
    outgoing.writeHead(413, { connection: 'close' }).end();
    return;
  }
  await writeResponse(await service.handle(requestOf(incoming, body)), outgoing, incoming.method === 'HEAD');
}

function requestOf(incoming: IncomingMessage, body: Uint8Array): SimRequest {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(incoming.headers)) {
    if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(',') : value;
  }
  return {
    method: incoming.method ?? 'GET',
    scheme: 'http',
    host: incoming.headers.host ?? '',
    path: incoming.url ?? '/',
    headers,
    body,
  };
}

async function readBody(incoming: IncomingMessage, bodyBytesMax: number): Promise<Uint8Array | null> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of incoming as AsyncIterable<Uint8Array>) {
    sizeBytes += chunk.length;
    if (sizeBytes > bodyBytesMax) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, sizeBytes);
}

async function writeResponse(response: SimResponse, outgoing: ServerResponse, isHead: boolean): Promise<void> {
  outgoing.writeHead(response.status, response.headers);
  if (isHead) outgoing.end();
  // Paced by the reader: a slow one must not make the whole object pile up here.
  else await pipeline(Readable.from(response.body.chunks()), outgoing);
}
