import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readTokenFile } from './credentials.ts';

const TOKEN = 'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJkcm92ZXIifQ.c2lnbmF0dXJl_-';
let folder: string;
beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'drover-token-'))));
afterAll(() => rm(folder, { recursive: true }));

async function read(content: string): Promise<string> {
  const path = join(folder, 'token');
  await writeFile(path, content);
  return readTokenFile(path);
}

test('a token is read without the white space around it', async () => {
  expect(await read(`${TOKEN}\n`)).toBe(TOKEN);
});

test.each([
  ['a file of passwords', 'root:x:0:0:root:/root:/bin/sh\n'],
  ['a key', '-----BEGIN PRIVATE KEY-----\nplanted\n-----END PRIVATE KEY-----\n'],
  ['a password', 'planted-password'],
  ['a token with more beside it', `${TOKEN}\nplanted`],
  ['nothing', ''],
  ['far too much', `${'a'.repeat(40_000)}.${'b'.repeat(40_000)}.c`],
])('%s is not sent anywhere, and not repeated', async (_name, content) => {
  const refusal = await read(content).catch((thrown: unknown) => thrown);
  expect(refusal).toMatchObject({ code: 'UNAUTHENTICATED', field: 'webIdentityTokenFile' });
  expect(String((refusal as Error).message)).not.toContain('planted');
});

test('a device that never ends is not read', async () => {
  await expect(readTokenFile('/dev/zero')).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  await expect(readTokenFile(join(folder, 'absent'))).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
});
