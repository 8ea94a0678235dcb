/** Stand-ins for those who give tokens: an authority behind TLS of its own, an instance's metadata service, a proxy. */
import { createServer as createPlain, type IncomingMessage, type RequestListener } from 'node:http';
import { createServer as createSecure } from 'node:https';
import { connect, type Socket } from 'node:net';
import { makeAuthority } from './certificates.ts';
import { listening } from './wire.ts';

export interface Told {
  readonly line: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** Collects the request, then answers with JSON (or XML, where the text is one). */
export function answering(told: Told[], answer: (told: Told) => { status?: number; body: unknown }): RequestListener {
  return (incoming, outgoing) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      const one: Told = {
        line: `${incoming.method} ${incoming.url}`,
        headers: incoming.headers,
        body: Buffer.concat(chunks).toString('utf8'),
      };
      told.push(one);
      const { status, body } = answer(one);
      const isText = typeof body === 'string';
      outgoing.writeHead(status ?? 200, { 'content-type': isText ? 'text/xml' : 'application/json' });
      outgoing.end(isText ? body : JSON.stringify(body));
    });
  };
}

/** A TLS server for `names`, whose authority only `caCertificate` makes known. */
export async function secureServer(listener: RequestListener, names: readonly string[] = ['127.0.0.1']) {
  const authority = makeAuthority();
  const { certificate, key } = authority.issue(names);
  const address = await listening(createSecure({ cert: certificate, key }, listener));
  return { address, caCertificate: authority.certificate };
}

export async function plainServer(listener: RequestListener): Promise<string> {
  return listening(createPlain(listener));
}

/** Tunnels every CONNECT to `target`, whatever was asked for, and refuses everything else. */
export async function connectProxy(target: string) {
  const asked: string[] = [];
  const server = createPlain((incoming, outgoing) => {
    asked.push(`${incoming.method} ${incoming.url}`);
    outgoing.writeHead(403).end();
  });
  server.on('connect', (incoming: IncomingMessage, socket: Socket, head: Buffer) => {
    asked.push(`CONNECT ${incoming.url}`);
    const [host, port] = target.split(':') as [string, string];
    const onward = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      onward.write(head);
      socket.pipe(onward).pipe(socket);
    });
    onward.on('error', () => socket.destroy());
    socket.on('error', () => onward.destroy());
  });
  return { asked, address: await listening(server) };
}
