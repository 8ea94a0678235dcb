/** Each fault does to a request what it says, once, at the n-th request. */
import { describe, expect, test } from 'vitest';
import type { HttpRequest, HttpResponse, Transport } from '../lib/transport.ts';
import { DroverError } from '../model/errors.ts';
import { FaultTransport, type FaultKind } from './faults.ts';
import { bytesOf, wholeOf } from './helpers.ts';

const CONTENT = '0123456789';

function request(more: Partial<HttpRequest> = {}): HttpRequest {
  const signal = new AbortController().signal;
  return { method: 'GET', origin: 'http://x', path: '/', headers: {}, body: null, operation: 'GET', signal, ...more };
}

/** A service that always answers with a range of ten bytes, and counts. */
function disturbed(nth: number, kind: FaultKind): { faults: FaultTransport; transport: Transport; sent: () => number } {
  let sent = 0;
  const send = async (): Promise<HttpResponse> => {
    sent += 1;
    return {
      status: 206,
      headers: { 'content-length': '10', 'content-range': 'bytes 0-9/20' },
      body: (async function* () {
        yield bytesOf(CONTENT.slice(0, 6));
        yield bytesOf(CONTENT.slice(6));
      })(),
      bytes: async () => bytesOf(CONTENT),
      discard: async () => {},
    };
  };
  const faults = new FaultTransport();
  const settings = { caCertificate: null, connectionsMax: 1 };
  const transport = faults.wrap(() => ({ send, close: async () => {} }))(settings);
  faults.arm(nth, kind);
  return { faults, transport, sent: () => sent };
}

describe('FaultTransport', () => {
  test.each([
    ['reset', 0],
    ['lost-answer', 1],
  ] as const)('%s fails after the service saw %i requests', async (kind, seen) => {
    const { faults, transport, sent } = disturbed(1, kind);
    await expect(transport.send(request())).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect([sent(), faults.hasFired]).toEqual([seen, true]);
    await faults.fired;
    expect((await transport.send(request())).status).toBe(206);
  });

  test.each([
    ['status-500', 500, {}],
    ['slow-down', 503, { 'retry-after': '1' }],
  ] as const)('%s answers %i without asking the service', async (kind, status, headers) => {
    const { transport, sent } = disturbed(1, kind);
    const answer = await transport.send(request());
    expect([answer.status, sent()]).toEqual([status, 0]);
    expect(answer.headers).toMatchObject(headers);
    expect((await answer.bytes(10)).length).toBe(0);
  });

  test.each([
    ['early-end', '01234', { 'content-length': '5' }, 206],
    ['extra-bytes', '0123456789x', { 'content-length': '11' }, 206],
    ['whole-instead-of-range', CONTENT, { 'content-length': '10' }, 200],
    ['other-range', CONTENT, { 'content-range': 'bytes 1-10/20' }, 206],
  ] as const)('%s gives %s', async (kind, content, headers, status) => {
    for (const how of ['body', 'bytes'] as const) {
      const { transport } = disturbed(1, kind);
      const answer = await transport.send(request());
      expect(answer.status).toBe(status);
      expect(answer.headers).toMatchObject(headers);
      expect('content-range' in answer.headers).toBe(status === 206);
      const bytes = how === 'body' ? await wholeOf(answer.body) : await answer.bytes(100);
      expect(new TextDecoder().decode(bytes)).toBe(content);
    }
  });

  test('broken-body gives half and then fails', async () => {
    const { transport } = disturbed(1, 'broken-body');
    const answer = await transport.send(request());
    let seen = '';
    const work = (async () => {
      for await (const chunk of answer.body) seen += new TextDecoder().decode(chunk);
    })();
    await expect(work).rejects.toBeInstanceOf(DroverError);
    expect(seen).toBe('01234');
  });

  test('leaves the length in an answer to HEAD alone', async () => {
    const { transport } = disturbed(1, 'early-end');
    const answer = await transport.send(request({ method: 'HEAD' }));
    expect(answer.headers['content-length']).toBe('10');
  });

  test('stall waits for the signal', async () => {
    const { faults, transport } = disturbed(1, 'stall');
    const controller = new AbortController();
    const work = transport.send(request({ signal: controller.signal }));
    await faults.fired;
    controller.abort();
    await expect(work).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  test('hits the n-th request and no other, and counts bodies that are open', async () => {
    const { faults, transport } = disturbed(3, 'reset');
    for (const nth of [1, 2]) expect((await transport.send(request())).status, String(nth)).toBe(206);
    await expect(transport.send(request())).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    const answer = await transport.send(request());
    expect(faults.count).toBe(4);
    for await (const _chunk of answer.body) {
      expect(faults.openBodies).toBe(1);
      break;
    }
    expect(faults.openBodies).toBe(0);
  });
});
