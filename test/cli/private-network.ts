/** A private network on loopback: the simulated S3 and its STS behind TLS of a private authority, and a proxy. */
import { createServer as createPlain } from 'node:http';
import { connect, type AddressInfo, type Server, type Socket } from 'node:net';
import { createServer as createSecure } from 'node:tls';
import { systemClock, systemRandom } from '../../src/lib/system.ts';
import { collect, textBody, type SimRequest, type SimResponse } from '../../src/sim/http.ts';
import { createS3Service, type S3Service } from '../../src/sim/s3-service.ts';
import { serveOnLoopback } from '../../src/sim/serve.ts';
import { makeAuthority, type Issued } from '../certificates.ts';

export const ROLE_ARN = 'arn:aws:iam::111122223333:role/mover';
export const EXTERNAL_ID = 'drover-the-right-one';

/** Names that nothing but the proxy can find. */
export const STORE_NAME = 'objects.internal.test';
export const STS_NAME = 'sign-in.internal.test';

export interface PrivateNetwork extends AsyncDisposable {
  readonly service: S3Service;
  readonly caCertificate: string;
  /** `https://127.0.0.1:{port}` */
  readonly storeOrigin: string;
  readonly stsOrigin: string;
  /** `http://127.0.0.1:{port}`; reaches the two names, and whatever else is asked for. */
  readonly proxyOrigin: string;
  /** What came through since `forget`: `S3 GET /bucket/key`, `STS AssumeRole`; and `CONNECT host:port`. */
  readonly requests: string[];
  readonly tunnels: string[];
  forget(): void;
  /** How many requests the credentials of a role serve before the store calls them expired. */
  sessionRequestsMax: number;
  /** The end of life that STS announces for them from now; `null`: what it really is. */
  sessionLifeMs: number | null;
}

export async function openPrivateNetwork(): Promise<PrivateNetwork> {
  const service = createS3Service({
    clock: systemClock,
    random: systemRandom,
    accounts: [
      {
        accountId: '111122223333',
        users: [{ name: 'signer', accessKeyId: 'AKSIGNER', secretAccessKey: 'secret-of-signer' }],
        roles: [
          { name: 'mover', trustedPrincipals: ['arn:aws:iam::111122223333:user/signer'], externalId: EXTERNAL_ID },
        ],
      },
    ],
  });
  const authority = makeAuthority();
  const issued = authority.issue(['127.0.0.1', STORE_NAME, STS_NAME]);
  const requests: string[] = [];
  const tunnels: string[] = [];
  const used = new Map<string, number>();
  await using closing = new AsyncDisposableStack();

  const serve = async (which: 'S3' | 'STS'): Promise<number> => {
    const handle = async (request: SimRequest): Promise<SimResponse> => {
      requests.push(which === 'S3' ? `S3 ${request.method} ${request.path}` : `STS ${actionOf(request)}`);
      const key = /Credential=(ASIA[^/]+)\//.exec(request.headers['authorization'] ?? '')?.[1];
      if (which === 'S3' && key !== undefined) {
        used.set(key, (used.get(key) ?? 0) + 1);
        if ((used.get(key) ?? 0) > network.sessionRequestsMax) return EXPIRED;
      }
      const answer = await service.handle(request);
      return which === 'S3' || network.sessionLifeMs === null
        ? answer
        : withExpiration(answer, Date.now() + network.sessionLifeMs);
    };
    const plain = await serveOnLoopback({ handle });
    closing.defer(() => plain.close());
    return listen(closing, terminator(issued, Number(new URL(plain.origin).port)));
  };
  const storePort = await serve('S3');
  const stsPort = await serve('STS');
  const proxyPort = await listen(closing, proxy(tunnels, { [STORE_NAME]: storePort, [STS_NAME]: stsPort }));
  const stack = closing.move();
  const network: PrivateNetwork = {
    service,
    caCertificate: authority.certificate,
    storeOrigin: `https://127.0.0.1:${storePort}`,
    stsOrigin: `https://127.0.0.1:${stsPort}`,
    proxyOrigin: `http://127.0.0.1:${proxyPort}`,
    requests,
    tunnels,
    forget() {
      requests.length = 0;
      tunnels.length = 0;
    },
    sessionRequestsMax: Number.POSITIVE_INFINITY,
    sessionLifeMs: null,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
  return network;
}

const EXPIRED: SimResponse = (() => {
  const body = textBody('<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>');
  return { status: 400, headers: { 'content-type': 'application/xml', 'content-length': `${body.sizeBytes}` }, body };
})();

function withExpiration(answer: SimResponse, atMs: number): SimResponse {
  const text = collect(answer.body).toString('utf8');
  const expiration = `<Expiration>${new Date(atMs).toISOString()}</Expiration>`;
  const body = textBody(text.replace(/<Expiration>[^<]*<\/Expiration>/, expiration));
  return { ...answer, headers: { ...answer.headers, 'content-length': `${body.sizeBytes}` }, body };
}

function actionOf(request: SimRequest): string {
  return /Action=(\w+)/.exec(Buffer.from(request.body).toString('utf8'))?.[1] ?? '';
}

function terminator(issued: Issued, port: number): Server {
  return createSecure({ key: issued.key, cert: issued.certificate }, (socket) => join(socket, port));
}

function proxy(tunnels: string[], ports: Readonly<Record<string, number>>): Server {
  const server = createPlain((_request, response) => response.writeHead(501).end());
  server.on('connect', (request, socket: Socket) => {
    tunnels.push(`CONNECT ${request.url}`);
    const [host = '', port = ''] = (request.url ?? '').split(':');
    socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
    join(socket, ports[host] ?? Number(port));
  });
  return server;
}

function join(socket: Socket, port: number): void {
  const inner = connect(port, '127.0.0.1');
  for (const [one, other] of [
    [socket, inner],
    [inner, socket],
  ] as const) {
    one.pipe(other);
    one.on('error', () => other.destroy()).on('close', () => other.destroy());
  }
}

async function listen(closing: AsyncDisposableStack, server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket.on('close', () => sockets.delete(socket)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.defer(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return (server.address() as AddressInfo).port;
}
