/** The cookie of a session, as browsers are told to keep it. */
import { afterEach, expect, test } from 'vitest';
import { openFakeServer, PERSON, type FakeServer } from './testing/fakes.ts';
import type { ApiSettings } from './world.ts';

let server: FakeServer | null = null;
afterEach(async () => {
  await server?.[Symbol.asyncDispose]();
  server = null;
});

async function cookieWith(settings: Partial<ApiSettings>, headers: Record<string, string> = {}): Promise<string> {
  server = await openFakeServer({ settings });
  server.answer = () => ({ secret: 'made', csrfToken: 'c', expiresAt: '2036-01-01T00:00:00.000Z', person: PERSON });
  const response = await server.fetch('/api/v1/sign-in', {
    method: 'POST',
    body: JSON.stringify({ email: 'a@b.example', password: 'a long password' }),
    headers: { 'content-type': 'application/json', ...headers },
  });
  expect(response.status).toBe(200);
  return response.headers.get('set-cookie') ?? '';
}

test.each([
  ['http://127.0.0.1:7070', '127.0.0.1:7070', 200],
  ['http://[::1]:7070', '[::1]:7070', 200],
  ['http://127.0.0.1:7070', '10.0.0.5:7070', 403],
  ['http://drover.example.com', 'drover.example.com', 403],
  [null, '127.0.0.1:7070', 403],
] as const)('in a container at %s, asked for as %s', async (publicUrl, host, status) => {
  server = await openFakeServer({ settings: { publicUrl, trustedProxies: ['127.0.0.1'] } });
  server.answer = () => ({ secret: 'made', csrfToken: 'c', expiresAt: '2036-01-01T00:00:00.000Z', person: PERSON });
  // As Docker's own network shows whoever comes through a published port.
  const forwarded = { 'x-forwarded-for': '172.18.0.1', 'x-forwarded-host': host };
  const response = await server.fetch('/api/v1/sign-in', {
    method: 'POST',
    body: JSON.stringify({ email: 'a@b.example', password: 'a long password' }),
    headers: { 'content-type': 'application/json', ...forwarded },
  });
  expect(response.status).toBe(status);
});

const FORWARDED = { 'x-forwarded-proto': 'https' };

test.each([
  ['plain HTTP on this machine', {}, {}, false],
  ['a proxy that is believed', { trustedProxies: ['127.0.0.1'] }, FORWARDED, true],
  ['a proxy that is not', {}, FORWARDED, false],
  ['HTTPS is what people use, whatever the proxy says', { publicUrl: 'https://drover.example.com' }, {}, true],
  ['HTTP is what people use', { publicUrl: 'http://drover.example.com' }, {}, false],
  ['cookies may go over HTTP', { publicUrl: 'https://drover.example.com', insecureCookies: true }, {}, false],
] as const)('%s', async (_name, settings, headers, isSecure) => {
  const cookie = await cookieWith(settings, headers);
  expect(/; Secure/i.test(cookie)).toBe(isSecure);
  expect(cookie).toMatch(/^drover_session=made; .*HttpOnly/i);
  expect(cookie).toMatch(/SameSite=Lax/i);
});
