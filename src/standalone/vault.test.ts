import { chmodSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { makeFolder, openAt } from './testing.ts';

let folder: string;
let removeFolder: () => void;

beforeEach(() => {
  ({ folder, removeFolder } = makeFolder());
});
afterEach(() => removeFolder());

const config = {
  accessKeyId: 'AKIAEXAMPLE',
  secretAccessKey: 'very-secret-words',
  pathStyle: true,
  downloadThreads: 4,
};
const acme = { name: 'Acme-1', provider: 's3', config };

test('a connector comes back whole, by its name in any case, in a later process', async () => {
  await using first = await openAt(folder);
  await first.connectors.save(acme);
  await first.close();
  await using second = await openAt(folder);
  expect(await second.connectors.get('aCME-1')).toMatchObject(acme);
  expect(await second.connectors.get('other')).toBeNull();
});

test('saving again replaces it and keeps its first spelling', async () => {
  await using standalone = await openAt(folder);
  await standalone.connectors.save(acme);
  await standalone.connectors.save({ name: 'ACME-1', provider: 's3', config: { accessKeyId: 'B' } });
  await standalone.connectors.save({ name: 'beta', provider: 'local', config: {} });
  expect(await standalone.connectors.list()).toMatchObject([
    { name: 'Acme-1', provider: 's3' },
    { name: 'beta', provider: 'local' },
  ]);
  expect((await standalone.connectors.get('acme-1'))?.config).toEqual({ accessKeyId: 'B' });
  expect(await standalone.connectors.remove('ACME-1')).toBe(true);
  expect(await standalone.connectors.remove('ACME-1')).toBe(false);
  expect(await standalone.connectors.get('acme-1')).toBeNull();
});

test.each(['', 'a', '1a', 'a b', 'a/b', 'a:b', '-ab', 'a.b', 'äb', 'a'.repeat(65)])(
  'refuses the name %j',
  async (name) => {
    await using standalone = await openAt(folder);
    await expect(standalone.connectors.save({ ...acme, name })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      field: 'name',
    });
    expect(await standalone.connectors.list()).toEqual([]);
  },
);

test('no value stands readable in any file, and equal values look different', async () => {
  const standalone = await openAt(folder);
  await standalone.connectors.save({ ...acme, config: { one: 'very-secret-words', two: 'very-secret-words' } });
  await standalone.close();
  const file = readFileSync(join(folder, 'state.sqlite'), 'latin1');
  expect(file).toContain('Acme-1');
  expect(file).not.toContain('very-secret-words');
  expect(file).not.toContain(Buffer.from('very-secret-words').toString('base64').slice(0, 16));
  const [one, two] = [...file.matchAll(/"(?:one|two)":"([^"]+)"/g)].map((found) => found[1]);
  expect(one).not.toBe(two);
});

test('the key file is for its owner alone, also after somebody opened it up', async () => {
  await using standalone = await openAt(folder);
  await standalone.connectors.save(acme);
  const path = join(folder, 'vault/key');
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(statSync(join(folder, 'vault')).mode & 0o777).toBe(0o700);
  chmodSync(path, 0o644);
  await using later = await openAt(folder);
  await later.connectors.get('acme-1');
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test('another key, a lost key and a damaged key are refused by name and change nothing', async () => {
  const standalone = await openAt(folder);
  await standalone.connectors.save(acme);
  await standalone.close();
  const path = join(folder, 'vault/key');
  const right = readFileSync(path);
  for (const spoil of [
    () => rmSync(path),
    () => writeFileSync(path, Buffer.alloc(32).toString('base64')),
    () => writeFileSync(path, 'short'),
  ]) {
    spoil();
    await using later = await openAt(folder);
    await expect(later.connectors.get('acme-1')).rejects.toMatchObject({ code: 'INVALID_INPUT', field: 'masterKey' });
    expect(await later.connectors.list()).toHaveLength(1);
  }
  rmSync(path);
  await using keyless = await openAt(folder);
  await expect(keyless.connectors.save({ ...acme, name: 'other' })).rejects.toMatchObject({ code: 'INVALID_INPUT' });
  writeFileSync(path, right);
  await using restored = await openAt(folder);
  expect((await restored.connectors.get('acme-1'))?.config).toEqual(config);
});

test('a sealed value that was moved to another field does not open', async () => {
  const standalone = await openAt(folder);
  await standalone.connectors.save({ ...acme, config: { one: 'a', two: 'b' } });
  await standalone.close();
  const database = new DatabaseSync(join(folder, 'state.sqlite'));
  const sealed = JSON.parse(String(database.prepare('SELECT config FROM connectors').get()?.['config'])) as Record<
    string,
    string
  >;
  database.prepare('UPDATE connectors SET config = ?').run(JSON.stringify({ one: sealed['two'], two: sealed['one'] }));
  database.close();
  await using later = await openAt(folder);
  await expect(later.connectors.get('acme-1')).rejects.toMatchObject({ code: 'INVALID_INPUT' });
});

test('a given master key is used and never stored', async () => {
  const masterKey = new Uint8Array(32).fill(7);
  const standalone = await openAt(folder, { masterKey });
  await standalone.connectors.save(acme);
  await standalone.close();
  expect(() => statSync(join(folder, 'vault/key'))).toThrow('ENOENT');
  await using later = await openAt(folder, { masterKey });
  expect((await later.connectors.get('acme-1'))?.config).toEqual(config);
  await using other = await openAt(folder, { masterKey: new Uint8Array(32) });
  await expect(other.connectors.get('acme-1')).rejects.toMatchObject({ code: 'INVALID_INPUT' });
  await expect(openAt(folder, { masterKey: new Uint8Array(31) })).rejects.toMatchObject({ field: 'masterKey' });
});
