/** A proxy that was not named: said once, because it makes everybody behind it one visitor. */
import { expect, test } from 'vitest';
import { openFakeServer } from './testing/fakes.ts';
import type { ApiSettings } from './world.ts';

const SAID = /^warn A request came through a proxy .*DROVER_TRUSTED_PROXIES/;
const NAMED = { trustedProxies: ['127.0.0.0/8'] };

async function saidOf(settings: Partial<ApiSettings>, ...asked: Record<string, string>[]): Promise<readonly string[]> {
  await using server = await openFakeServer({ settings });
  for (const headers of asked) await (await server.fetch('/healthz', { headers })).text();
  return server.logged.filter((line) => SAID.test(line));
}

test.each<[string, Partial<ApiSettings>, Record<string, string>, string | null]>([
  ['nobody forwards', {}, {}, null],
  ['a proxy nobody named', {}, { 'x-forwarded-for': '10.1.2.3' }, 'x-forwarded-for'],
  ['the standard header', {}, { forwarded: 'for=10.1.2.3' }, 'forwarded'],
  ['another proxy was named', { trustedProxies: ['10.0.0.0/8'] }, { 'x-forwarded-for': '10.1.2.3' }, 'x-forwarded-for'],
  ['the proxy was named', NAMED, { 'x-forwarded-for': '10.1.2.3' }, null],
  ['and several in a row', NAMED, { 'x-forwarded-for': '10.1.2.3, 127.0.0.9' }, null],
  ['named, and it sends what is not understood', NAMED, { forwarded: 'for=10.1.2.3' }, 'forwarded'],
])('%s', async (_, settings, headers, header) => {
  const said = await saidOf(settings, headers);
  expect(said).toHaveLength(header === null ? 0 : 1);
  if (header !== null) expect(said[0]).toContain(`{"proxy":"127.0.0.1","header":"${header}"}`);
  expect(said.join()).not.toContain('10.1.2.3');
});

test('is said once, also where other requests are refused', async () => {
  const headers = { 'x-forwarded-for': '10.1.2.3' };
  const foreign = { ...headers, host: 'evil.example' };
  expect(await saidOf({}, foreign, headers, headers)).toHaveLength(1);
});
