/** Answers that repeat what they were sent. */
import { describe, expect, test } from 'vitest';
import { hushed } from './hushed-transport.ts';
import type { HttpRequest, HttpResponse } from './transport.ts';

const KNOWN = 'planted/known+secret=0123456789';

/** What comes back from something that answers with `echo` of the request. */
async function answered(
  given: Partial<HttpRequest>,
  echo: (request: HttpRequest) => { status?: number; headers?: Record<string, string>; body: string },
): Promise<{ text: string; streamed: string; headers: HttpResponse['headers'] }> {
  const request: HttpRequest = {
    method: 'PUT',
    origin: 'https://store.example',
    path: '/',
    headers: {},
    body: null,
    operation: 'PUT',
    signal: new AbortController().signal,
    ...given,
  };
  const open = hushed(
    () => ({
      async send(sent) {
        const { status = 403, headers = {}, body } = echo(sent);
        const content = Buffer.from(body);
        return {
          status,
          headers,
          body: (async function* () {
            yield content;
          })(),
          bytes: async () => content,
          discard: async () => undefined,
        };
      },
      close: async () => undefined,
    }),
    [KNOWN],
  );
  const send = () => open({ caCertificate: null, connectionsMax: 1 }).send(request);
  const first = await send();
  const chunks: Uint8Array[] = [];
  for await (const chunk of (await send()).body) chunks.push(chunk);
  return {
    text: Buffer.from(await first.bytes(1_000_000)).toString(),
    streamed: Buffer.concat(chunks).toString(),
    headers: first.headers,
  };
}

describe('an answer that refuses', () => {
  test.each<[name: string, given: Partial<HttpRequest>, echoed: string, isKept: string]>([
    ['what is known, as it is', {}, `<Message>${KNOWN}</Message>`, 'Message'],
    ['what is known, encoded', {}, `?x=${encodeURIComponent(KNOWN)}&y=1`, 'y=1'],
    ['what is known, in base64', {}, Buffer.from(KNOWN).toString('base64').slice(0, -1), ''],
    [
      'a token',
      { headers: { authorization: 'Bearer planted-token-0123456789' } },
      'got planted-token-0123456789 twice',
      'twice',
    ],
    [
      'a signature',
      {
        headers: {
          authorization:
            'AWS4-HMAC-SHA256 Credential=AK/20260101/x/s3/aws4_request, SignedHeaders=host;x-amz-content-sha256, Signature=planted0123456789abcdef',
        },
      },
      'StringToSign AWS4-HMAC-SHA256 x-amz-content-sha256 planted0123456789abcdef',
      'AWS4-HMAC-SHA256 x-amz-content-sha256',
    ],
    [
      'a session token',
      { headers: { 'x-amz-security-token': 'planted&session' } },
      'x-amz-security-token:planted&amp;session',
      'x-amz-security-token:',
    ],
    [
      'a key for content',
      { headers: { 'x-amz-server-side-encryption-customer-key': 'plantedkey==' } },
      'key plantedkey==',
      'key',
    ],
    [
      'the source of a copy',
      { headers: { 'x-ms-copy-source-authorization': 'Bearer planted-copy' } },
      'Bearer planted-copy',
      '',
    ],
    [
      'a shared access signature',
      { path: '/c/b?sv=2025&sig=planted%2Bsig%3D' },
      'uri /c/b?sv=2025&sig=planted%2Bsig%3D or planted+sig=',
      'sv=2025',
    ],
    [
      'a form',
      {
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: { sizeBytes: 1, content: Buffer.from('WebIdentityToken=planted%7E.jwt&Action=x') },
      },
      'Action=x WebIdentityToken=planted%7E.jwt or planted~.jwt',
      'Action=x',
    ],
  ])('does not repeat %s', async (_name, given, echoed, isKept) => {
    const { text, streamed, headers } = await answered(given, () => ({ headers: { location: echoed }, body: echoed }));
    for (const seen of [text, streamed, headers['location'] ?? '']) {
      expect(seen).not.toMatch(/planted/i);
      expect(seen).not.toContain(Buffer.from(KNOWN).toString('base64').slice(0, 20));
      expect(seen).toContain(isKept);
      expect(seen).toContain('***');
    }
  });

  test('with 200, too, but what was asked for is not touched', async () => {
    const headers = { authorization: 'Bearer planted-token' };
    const failed = await answered({ headers }, () => ({
      status: 200,
      body: '<Error><Message>planted-token</Message></Error>',
    }));
    expect(failed.text).not.toContain('planted');
    const content = await answered({ headers, operation: 'GET', method: 'GET' }, () => ({
      status: 200,
      body: `<Error>planted-token ${KNOWN}`,
    }));
    expect([content.text, content.streamed]).toEqual([
      `<Error>planted-token ${KNOWN}`,
      `<Error>planted-token ${KNOWN}`,
    ]);
    const fine = await answered({ headers }, () => ({ status: 200, body: 'planted-token' }));
    expect([fine.text, fine.streamed]).toEqual(['planted-token', 'planted-token']);
  });

  test('and is not UTF-8 keeps its other bytes', async () => {
    const { text } = await answered({}, () => ({ body: `Größe ${KNOWN} ✓` }));
    expect(text).toBe('Größe *** ✓');
  });
});
