/** Stand-ins that sign in, and then refuse by repeating all that they were sent: headers, address and body. */
import { createServer as createHttp, type IncomingMessage, type RequestListener } from 'node:http';
import { createServer as createTcp } from 'node:net';
import { listening } from '../wire.ts';

export interface Echo {
  readonly url: string;
  /** Everything that came, so that a test knows that there was something to repeat. */
  readonly heard: string[];
}

interface Answer {
  readonly status?: number;
  readonly type?: string;
  readonly body: string;
}

export function repeating(
  heard: string[],
  answer: (incoming: IncomingMessage, echo: string) => Answer,
): RequestListener {
  return (incoming, outgoing) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      const headers = Object.entries(incoming.headers).map(([name, value]) => `${name}: ${String(value)}`);
      // What is longest in an answer is cut off: the interesting comes first.
      const first = headers.toSorted((a, b) => Number(/^(x-|auth)/.test(b)) - Number(/^(x-|auth)/.test(a)));
      const echo = `echoed ${Buffer.concat(chunks).toString('utf8')} ${incoming.url} ${first.join(' ')}`;
      heard.push(echo);
      const { status = 200, type = 'application/xml', body } = answer(incoming, echo);
      outgoing.writeHead(status, { 'content-type': type, 'x-amz-request-id': 'R1', 'x-ms-request-id': 'R1' }).end(body);
    });
  };
}

const xml = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

async function echo(answer: (incoming: IncomingMessage, echo: string) => Answer): Promise<Echo> {
  const heard: string[] = [];
  return { heard, url: `http://${await listening(createHttp(repeating(heard, answer)))}` };
}

const OBJECT =
  '<Contents><Key>a.txt</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>"0123456789abcdef0123456789abcdef"</ETag><Size>3</Size><StorageClass>STANDARD</StorageClass></Contents>';

/** One bucket, `from`, with one object that cannot be read. */
export function echoingS3(): Promise<Echo> {
  return echo(({ method, url = '' }, words) => {
    if (method === 'GET' && /^\/(?:\?|$)/.test(url)) {
      return {
        body: '<ListAllMyBucketsResult><Owner><ID>1</ID></Owner><Buckets><Bucket><Name>from</Name></Bucket></Buckets></ListAllMyBucketsResult>',
      };
    }
    if (method === 'GET' && url.includes('list-type=2')) {
      return {
        body: `<ListBucketResult><Name>from</Name><KeyCount>1</KeyCount><IsTruncated>false</IsTruncated>${OBJECT}</ListBucketResult>`,
      };
    }
    return {
      status: 400,
      body: `<Error><Code>Echoed</Code><Message>${xml(words)}</Message><RequestId>R1</RequestId></Error>`,
    };
  });
}

/** One container, `from`, and nothing else that works. */
export function echoingBlobs(): Promise<Echo> {
  return echo(({ method, url = '' }, words) => {
    if (method === 'GET' && /comp=list/.test(url) && !/restype=container/.test(url)) {
      return {
        body: '<?xml version="1.0"?><EnumerationResults><Containers><Container><Name>from</Name></Container></Containers><NextMarker/></EnumerationResults>',
      };
    }
    return {
      status: 403,
      body: `<?xml version="1.0"?><Error><Code>${xml(words).slice(0, 400)}</Code><Message>${xml(words)}</Message><AuthenticationErrorDetail>${xml(words)}</AuthenticationErrorDetail><HeaderName>${xml(words)}</HeaderName></Error>`,
    };
  });
}

/** An identity provider that describes itself, and then takes no code. */
export async function echoingIssuer(): Promise<Echo> {
  const made: Echo = await echo(({ url = '' }, words) => {
    if (url.includes('.well-known')) {
      const { url: issuer } = made;
      const members = {
        issuer,
        authorization_endpoint: `${issuer}/auth`,
        token_endpoint: `${issuer}/token`,
        jwks_uri: `${issuer}/keys`,
        response_types_supported: ['code'],
        subject_types_supported: ['public'],
        id_token_signing_alg_values_supported: ['RS256'],
      };
      return { type: 'application/json', body: JSON.stringify(members) };
    }
    return {
      status: 400,
      type: 'application/json',
      body: JSON.stringify({ error: 'invalid_client', error_description: words }),
    };
  });
  return made;
}

export function echoingReceiver(): Promise<Echo> {
  return echo((_incoming, words) => ({ status: 500, type: 'text/plain', body: words }));
}

/** A mail server that takes no password. */
export async function echoingMail(): Promise<Echo> {
  const heard: string[] = [];
  const server = createTcp((socket) => {
    socket.write('220 mail\r\n');
    socket.on('data', (chunk: Buffer) => {
      const line = chunk.toString('utf8').trim();
      heard.push(line);
      if (/^EHLO/i.test(line)) socket.write('250-mail\r\n250 AUTH PLAIN LOGIN\r\n');
      else if (/^AUTH/i.test(line))
        socket.write(
          `535 echoed ${line} ${Buffer.from(line.split(' ')[2] ?? '', 'base64')
            .toString()
            .replaceAll('\0', ' ')}\r\n`,
        );
      else socket.write(`500 echoed ${line}\r\n`);
    });
  });
  return { heard, url: await listening(server) };
}
