/** A master key that a key management service wraps: made, wrapped, unwrapped at the start, and changed. */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { ServerCall } from '../../src/cli/server-commands.ts';
import { openDatabase } from '../../src/control/database/connect.ts';
import { migrate } from '../../src/control/database/migrate.ts';
import { loadMasterKey } from '../../src/control/settings/master-key.ts';
import { openVault } from '../../src/control/vault/vault.ts';
import { systemClock, systemRandom } from '../../src/lib/system.ts';
import { keyWrappingOf } from '../../src/main/key-wrapping.ts';
import { serverCommands } from '../../src/main/server-commands.ts';
import { settingsOf } from '../../src/main/server-settings.ts';
import { openTestDatabase } from '../postgres.ts';
import { makeQuickFolder } from '../quick-folder.ts';
import { listening } from '../wire.ts';
import { AWS, kmsServer, vaultServer } from './key-services.ts';

const ARN = 'arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab';
const OTHER_ARN = 'arn:aws:kms:eu-central-1:123456789012:key/ffffabcd-12ab-34cd-56ef-1234567890ab';
const PLAIN = Buffer.alloc(32, 9);

let folder: string;
let plainFile: string;
beforeEach(() => {
  folder = makeQuickFolder('drover-kms-');
  plainFile = join(folder, 'plain.key');
  writeFileSync(plainFile, `${PLAIN.toString('base64')}\n`, { mode: 0o600 });
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

type Variables = Record<string, string>;

const call = (): ServerCall => ({
  flags: {},
  configPath: null,
  say: async () => undefined,
  line: async () => undefined,
  signal: new AbortController().signal,
});
const commands = (variables: Variables) =>
  serverCommands({ variables: { DROVER_DATA_DIR: folder, ...variables }, programVersion: '0.0.0-test' });

/** As a server does at its start. */
async function atStart(variables: Variables, mayMake = false): Promise<Uint8Array> {
  const environment = { DROVER_DATA_DIR: folder, ...variables };
  const { settings } = settingsOf({ flags: {}, configPath: null }, environment);
  const log = (): void => undefined;
  const wrapping = keyWrappingOf(settings, environment, log);
  return loadMasterKey({ settings, random: systemRandom, log, mayMake, wrapping, signal: AbortSignal.timeout(60_000) });
}

async function aws(keys = [ARN, OTHER_ARN]) {
  const kms = await kmsServer(keys);
  const variables = { ...AWS, DROVER_MASTER_KEY_KMS: ARN, DROVER_MASTER_KEY_KMS_ENDPOINT: kms.url };
  return { kms, variables };
}

async function azure() {
  const vault = await vaultServer();
  // The vendor's library reads where the machine's identity is from the process itself.
  vi.stubEnv('IDENTITY_ENDPOINT', `${vault.url}/msi/token`);
  vi.stubEnv('IDENTITY_HEADER', 'proof');
  return { vault, variables: { DROVER_MASTER_KEY_KMS: `${vault.url}/keys/main` } };
}

/** The wrapped file of the plain key. */
async function wrapped(variables: Variables, name = 'wrapped.key'): Promise<string> {
  const out = join(folder, name);
  await commands({ ...variables, DROVER_MASTER_KEY_FILE: plainFile }).wrapMasterKey(call(), { out, isNew: false });
  return out;
}

describe.each([
  ['AWS KMS', aws, ARN],
  ['Azure Key Vault', azure, '/keys/main'],
] as const)('%s', (_name, open, key) => {
  test('wraps the key that is there, and gives it back at the start', async () => {
    const { variables } = await open();
    const out = await wrapped(variables);
    const text = readFileSync(out, 'utf8');
    expect(statSync(out).mode & 0o777).toBe(0o600);
    for (const part of text.trim().split('.')) {
      expect(Buffer.from(part, 'base64url').includes(PLAIN)).toBe(false);
    }
    expect(text).not.toContain(PLAIN.toString('base64'));
    expect(Buffer.from(await atStart({ ...variables, DROVER_MASTER_KEY_FILE: out }))).toEqual(PLAIN);
    // In the environment as well as in a file.
    expect(Buffer.from(await atStart({ ...variables, DROVER_MASTER_KEY: text.trim() }))).toEqual(PLAIN);
    await expect(wrapped(variables)).rejects.toMatchObject({ code: 'ALREADY_EXISTS', field: '--out' });
  });

  test('a first start makes a key that is never in the open on the disk', async () => {
    const { variables } = await open();
    const made = await atStart(variables, true);
    const text = readFileSync(join(folder, 'master.key'), 'utf8');
    expect(text).toMatch(/^drover-wrapped-key-1\./);
    expect(Buffer.from(text.split('.')[2] as string, 'base64url').includes(Buffer.from(made))).toBe(false);
    expect(await atStart(variables)).toEqual(made);
  });

  test('a key in the open is not taken for a wrapped one, nor a wrapped one for one in the open', async () => {
    const { variables } = await open();
    await expect(atStart({ ...variables, DROVER_MASTER_KEY_FILE: plainFile })).rejects.toMatchObject({
      code: 'MASTER_KEY_WRONG',
      remedy: expect.stringContaining('drover vault wrap'),
    });
    const out = await wrapped(variables);
    await expect(atStart({ DROVER_MASTER_KEY_FILE: out })).rejects.toMatchObject({
      code: 'MASTER_KEY_WRONG',
      field: 'masterKeyKms',
      message: expect.stringContaining(key),
    });
  });

  test('another master key: made wrapped, and taken over while everything stays readable', async () => {
    const { variables } = await open();
    const database = await openTestDatabase();
    const connection = await openDatabase({ url: database.url, log: () => undefined });
    try {
      await migrate(connection);
      const db = connection.kysely;
      const world = { db, clock: systemClock, random: systemRandom };
      const before = await openVault({ ...world, masterKey: PLAIN });
      const id = await db.transaction().execute((tx) => before.seal(tx, null, { key: 'value' }));
      const [old, next] = [await wrapped(variables), join(folder, 'next.key')];
      const given = { ...variables, DATABASE_URL: database.url, DROVER_MASTER_KEY_FILE: old };
      const made = await commands(given).wrapMasterKey(call(), { out: next, isNew: true });
      const { secrets, masterKeyId } = await commands(given).rotateVault(call(), next, true);
      expect([secrets, masterKeyId]).toEqual([1, made.masterKeyId]);
      const masterKey = await atStart({ ...variables, DROVER_MASTER_KEY_FILE: next });
      const after = await openVault({ ...world, masterKey });
      expect(await after.open(db, id)).toEqual({ key: 'value' });
      await expect(openVault({ ...world, masterKey: PLAIN })).rejects.toMatchObject({ code: 'MASTER_KEY_WRONG' });
    } finally {
      await connection.close();
      await database.drop();
    }
  });
});

describe('AWS KMS', () => {
  test('is asked for exactly one key, with the purpose in the encryption context', async () => {
    const { kms, variables } = await aws();
    const out = await wrapped(variables);
    await atStart({ ...variables, DROVER_MASTER_KEY_FILE: out });
    expect(kms.asked.map(({ target }) => target.split('.')[1])).toEqual(['Encrypt', 'Decrypt', 'Decrypt']);
    for (const { body } of kms.asked) {
      expect(body).toMatchObject({ KeyId: ARN, EncryptionContext: { application: 'drover', purpose: 'master-key' } });
    }
  });

  test.each([
    ['AccessDeniedException', 400, 'PERMISSION_DENIED', 'kms:Decrypt', 1],
    ['DisabledException', 400, 'MASTER_KEY_WRONG', 'enable it', 1],
    ['NotFoundException', 400, 'MASTER_KEY_WRONG', 'DROVER_MASTER_KEY_KMS', 1],
    ['UnrecognizedClientException', 400, 'UNAUTHENTICATED', 'AWS_ACCESS_KEY_ID', 1],
    ['KMSInternalException', 500, 'UNAVAILABLE', 'Start again', 4],
  ] as const)(
    '%s is told with the key and what to do, after a bounded number of tries',
    async (type, status, code, remedy, tries) => {
      const { kms, variables } = await aws();
      const out = await wrapped(variables);
      kms.asked.length = 0;
      kms.trouble.now = { status, body: { __type: type, message: 'told' }, times: 100 };
      await expect(atStart({ ...variables, DROVER_MASTER_KEY_FILE: out })).rejects.toMatchObject({
        code,
        message: expect.stringMatching(new RegExp(`${ARN}.*${type}`)),
        remedy: expect.stringContaining(remedy),
      });
      expect(kms.asked).toHaveLength(tries);
    },
  );

  test('what passes is waited for', async () => {
    const { kms, variables } = await aws();
    const out = await wrapped(variables);
    kms.trouble.now = { status: 400, body: { __type: 'ThrottlingException' }, times: 2 };
    expect(Buffer.from(await atStart({ ...variables, DROVER_MASTER_KEY_FILE: out }))).toEqual(PLAIN);
    kms.trouble.now = { status: 503, body: 'busy', times: 2 };
    expect(Buffer.from(await atStart({ ...variables, DROVER_MASTER_KEY_FILE: out }))).toEqual(PLAIN);
  });

  test('another key does not open it; wrapping it anew with that one does', async () => {
    const { variables } = await aws();
    const out = await wrapped(variables);
    const other = { ...variables, DROVER_MASTER_KEY_KMS: OTHER_ARN, DROVER_MASTER_KEY_FILE: out };
    await expect(atStart(other)).rejects.toMatchObject({
      code: 'MASTER_KEY_WRONG',
      message: expect.stringContaining(OTHER_ARN),
    });
    const anew = join(folder, 'anew.key');
    await commands(other).wrapMasterKey(call(), { out: anew, isNew: false });
    expect(Buffer.from(await atStart({ ...other, DROVER_MASTER_KEY_FILE: anew }))).toEqual(PLAIN);
  });

  test('credentials never stand in what is told', async () => {
    const { kms, variables } = await aws();
    const out = await wrapped(variables);
    kms.trouble.now = { status: 200, body: '<html>sign in here</html>', times: 100 };
    const refusal = await atStart({ ...variables, DROVER_MASTER_KEY_FILE: out }).catch((thrown: unknown) => thrown);
    expect(refusal).toMatchObject({ code: 'UNAVAILABLE' });
    expect(JSON.stringify(refusal) + String(refusal)).not.toMatch(/planted/);
  });
});

describe('Azure Key Vault', () => {
  test('unwraps with the version that wrapped, also when there is a newer one by now', async () => {
    const { vault, variables } = await azure();
    const out = await wrapped({ DROVER_MASTER_KEY_KMS: `${variables.DROVER_MASTER_KEY_KMS}/v1` });
    vault.asked.length = 0;
    expect(Buffer.from(await atStart({ ...variables, DROVER_MASTER_KEY_FILE: out }))).toEqual(PLAIN);
    expect(vault.asked.map(({ path }) => path).at(-1)).toBe('/keys/main/v1/unwrapkey?api-version=7.4');
  });

  test.each([
    [403, 'PERMISSION_DENIED', 'Key Vault Crypto User'],
    [404, 'MASTER_KEY_WRONG', 'DROVER_MASTER_KEY_KMS'],
    [503, 'UNAVAILABLE', 'Start again'],
  ] as const)('%i is told with the key and what to do', async (status, code, remedy) => {
    const { vault, variables } = await azure();
    const out = await wrapped(variables);
    // The identity answers, the vault does not.
    await atStart({ ...variables, DROVER_MASTER_KEY_FILE: out });
    const { settings } = settingsOf(
      { flags: {}, configPath: null },
      { DROVER_DATA_DIR: folder, ...variables, DROVER_MASTER_KEY_FILE: out },
    );
    const wrapping = keyWrappingOf(settings, {}, () => undefined);
    const signal = AbortSignal.timeout(60_000);
    const options = { settings, random: systemRandom, log: () => undefined, mayMake: false, wrapping, signal };
    await loadMasterKey(options);
    vault.trouble.now = { status, body: { error: { code: 'Forbidden', message: 'told' } }, times: 100 };
    vault.asked.length = 0;
    await expect(loadMasterKey(options)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(/\/keys\/main of Azure Key Vault.*told/),
      remedy: expect.stringContaining(remedy),
    });
    expect(vault.asked.length).toBe(status === 503 ? 4 : 1);
  });

  test('a key of another vault is not asked for', async () => {
    const { vault, variables } = await azure();
    const out = await wrapped(variables);
    vault.asked.length = 0;
    const other = { DROVER_MASTER_KEY_KMS: 'https://other.vault.azure.net/keys/main', DROVER_MASTER_KEY_FILE: out };
    await expect(atStart(other)).rejects.toMatchObject({
      code: 'MASTER_KEY_WRONG',
      message: expect.stringContaining('other.vault'),
    });
    expect(vault.asked).toEqual([]);
  });
});

test.each([
  'alias/drover',
  'arn:aws:s3:::bucket',
  'https://example.com/other/main',
  'http://vault.example.com/keys/main',
  // Tokens that open vaults go to vaults of Azure alone.
  'https://vault.example.com/keys/main',
  'https://vault.azure.net/keys/main',
  'https://contoso.vault.azure.net.evil.example/keys/main',
  'https://contoso-vault.azure.net/keys/main',
  'https://evil.example\\.vault.azure.net/keys/main',
  'http://localhost.evil.example/keys/main',
])('%s is no key', async (word) => {
  await expect(atStart({ DROVER_MASTER_KEY_KMS: word })).rejects.toMatchObject({
    code: 'INVALID_INPUT',
    field: 'masterKeyKms',
  });
});

describe('drover serve', () => {
  const drover = fileURLToPath(new URL('../../bin/drover', import.meta.url));

  /** Until it is ready or has ended. */
  async function served(variables: Variables): Promise<{ code: number | null; out: string; errors: string }> {
    const database = await openTestDatabase();
    const environment = {
      DATABASE_URL: database.url,
      DROVER_LISTEN: '127.0.0.1:0',
      DROVER_LOCAL_WORKERS: '0',
      DROVER_DATA_DIR: folder,
    };
    const child = spawn(drover, ['serve'], {
      env: { PATH: process.env['PATH'] ?? '', HOME: folder, ...environment, ...variables },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let [out, errors] = ['', ''];
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk.toString();
      if (out.includes('"ready"')) child.kill('SIGTERM');
    });
    child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
    const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
    await database.drop();
    return { code, out, errors };
  }

  test('starts with a wrapped key, and says which one wraps it', async () => {
    const { variables } = await aws();
    const out = await wrapped(variables);
    const server = await served({ ...variables, DROVER_MASTER_KEY_FILE: out });
    expect(server.out).toContain('"ready"');
    expect(server.errors).toContain(`wrapped with ${ARN}`);
    expect(server.errors + server.out).not.toMatch(/planted/);
  });

  test('does not start when the service is away, and says which key it wanted', async () => {
    const { variables } = await aws();
    const out = await wrapped(variables);
    const gone = createServer();
    const address = await listening(gone);
    await new Promise((resolve) => gone.close(resolve));
    const given = { ...variables, DROVER_MASTER_KEY_KMS_ENDPOINT: `http://${address}`, DROVER_MASTER_KEY_FILE: out };
    const server = await served(given);
    expect(server.code).not.toBe(0);
    expect(server.out).not.toContain('"ready"');
    expect(server.errors).toContain(ARN);
    expect(existsSync(join(folder, 'master.key'))).toBe(false);
  });
});
