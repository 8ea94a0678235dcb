/** Forms, external IDs and policies of real providers; nothing here needs a network. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { azureBlob } from '../../src/providers/azure-blob/provider.ts';
import { local } from '../../src/providers/local/provider.ts';
import { s3 } from '../../src/providers/s3/provider.ts';
import { openTestWorld, type TestWorld } from './world.ts';

const ROLE = 'arn:aws:iam::111122223333:role/migrator';
const KEYS = ['--access-key-id', 'AKIAEXAMPLE', '--secret-access-key', 'not-a-real-secret'];

let world: TestWorld;
beforeEach(() => {
  world = openTestWorld([s3, azureBlob, local]);
});
afterEach(() => world.remove());

/** The questions that were asked, by their labels. */
function asked(stderr: string): string[] {
  return stderr
    .split('\n')
    .map((line) => line.trim().replace(/ \((?:or )?empty.*\)| \[.*\]/, ''))
    .filter((line) => line !== '' && /^[A-Z]/.test(line));
}

const ACCOUNT_KEY = Buffer.alloc(64).toString('base64');

describe('a person is asked no more than is needed to sign in', () => {
  test.each([
    ['s3', ['', 'AKIAEXAMPLE', 'secret'], ['Endpoint', 'Access Key ID', 'Secret Access Key'], 'AKIAEXAMPLE', 'secret'],
    [
      's3',
      ['http://127.0.0.1:9', 'AKIAEXAMPLE', 'secret'],
      ['Endpoint', 'Access Key ID', 'Secret Access Key'],
      'http://127.0.0.1:9',
      'secret',
    ],
    ['azure-blob', ['contosodata', ACCOUNT_KEY], ['Storage Account', 'Account Key'], 'contosodata', ACCOUNT_KEY],
  ])('%s %j', async (provider, answers, questions, visible, secret) => {
    world.answers = [...answers];
    const called = await world.call('connector', 'add', provider, 'fresh', '--no-check');
    expect(called.exit, called.stderr).toBe(0);
    expect(asked(called.stderr)).toEqual(questions);
    expect(world.answers).toEqual([]);
    const shown = await world.call('connector', 'show', 'fresh');
    expect(shown.stdout).toContain(visible);
    expect(shown.stdout).not.toContain(secret);
  });

  test('giving up saves nothing and ends with 130', async () => {
    world.answers = ['', 'AKIAEXAMPLE'];
    const called = await world.call('connector', 'add', 's3', 'half', '--no-check');
    expect(called.exit).toBe(130);
    world.answers = null;
    expect((await world.json('connector', 'show', 'half')).exit).toBe(2);
  });
});

test.each([
  ['--endpoint', '127.0.0.1:18000', 'Endpoint'],
  ['--role-arn', 'drover', 'IAM role ARN'],
  ['--access-key-id', 'with space', 'Access Key ID'],
])('a wrong %s is refused before the first question', async (option, value, label) => {
  world.answers = ['never asked'];
  const called = await world.call('connector', 'add', 's3', 'fresh', option, value, '--no-check');
  expect(called.exit).toBe(2);
  expect(called.stderr).toContain(label);
  expect(called.stderr).toContain(`Give it with ${option}`);
  expect(world.answers).toEqual(['never asked']);
});

test('piped, fields come from the environment, and nothing is asked', async () => {
  world.environment = {
    DROVER_CONNECTOR_PIPED_ACCESS_KEY_ID: 'AKIAENV',
    DROVER_CONNECTOR_PIPED_SECRET_ACCESS_KEY: 'from-the-environment',
  };
  const called = await world.call('connector', 'add', 's3', 'piped', '--no-check', '--region', 'eu-central-1');
  expect(called.exit, called.stderr).toBe(0);
  world.environment = {};
  const shown = await world.json('connector', 'show', 'piped');
  expect(shown.lines[0]).toMatchObject({ config: { accessKeyId: 'AKIAENV', region: 'eu-central-1' } });
  expect(shown.stdout).not.toContain('from-the-environment');
});

describe('a role', () => {
  const externalIdOf = async (name: string): Promise<unknown> => {
    const shown = await world.json('connector', 'show', name);
    return (shown.lines[0] as { config: Record<string, unknown> }).config['externalId'];
  };

  test('gets an external ID that nobody can guess', async () => {
    const first = await world.call('connector', 'add', 's3', 'role-a', ...KEYS, '--role-arn', ROLE, '--no-check');
    await world.call('connector', 'add', 's3', 'role-b', ...KEYS, '--role-arn', ROLE, '--no-check');
    const [a, b] = [await externalIdOf('role-a'), await externalIdOf('role-b')];
    expect(a).toMatch(/^drover-[0-9a-f]{32}$/);
    expect(a).not.toBe(b);
    expect(first.stderr).toContain(String(a));
    const policy = await world.call('connector', 'policy', 'role-a', '--kind', 'trust', '--principal', `${ROLE}-user`);
    const text = JSON.stringify(JSON.parse(policy.stdout));
    expect(text).toContain(`"sts:ExternalId":"${String(a)}"`);
    expect(text).toContain(`${ROLE}-user`);
  });

  test.each([
    ['chosen', ['--authorization', 'web-identity']],
    ['left to follow from the token', []],
  ])('with a web identity, %s, has no external ID and no warning about it', async (_how, more) => {
    const words = ['--role-arn', ROLE, '--web-identity-token-file', '/run/token', '--no-check', ...more];
    const called = await world.call('connector', 'add', 's3', 'web', ...words);
    expect(called.exit, called.stderr).toBe(0);
    expect(await externalIdOf('web')).toBe(undefined);
    expect(called.stderr).not.toMatch(/external ID/i);
  });

  test('keeps the one that is typed, and warns where it is explicitly empty', async () => {
    const typed = ['--role-arn', ROLE, '--external-id', 'agreed-42', '--no-check'];
    await world.call('connector', 'add', 's3', 'typed', ...KEYS, ...typed);
    expect(await externalIdOf('typed')).toBe('agreed-42');
    const empty = ['--role-arn', ROLE, '--external-id', '', '--no-check'];
    const warned = await world.call('connector', 'add', 's3', 'none', ...KEYS, ...empty);
    expect(warned.stderr).toContain('Warning: without an external ID');
    expect(await externalIdOf('none')).toBe(undefined);
  });
});

describe('a policy', () => {
  beforeEach(async () => {
    await world.call('connector', 'add', 's3', 'acme', ...KEYS, '--no-check');
  });

  test('is valid JSON on standard output and nothing else', async () => {
    const called = await world.call('connector', 'policy', 'acme', '--bucket', 'photos', '--use', 'read');
    expect(called.exit, called.stderr).toBe(0);
    const text = JSON.stringify(JSON.parse(called.stdout));
    expect(text).toContain('arn:aws:s3:::photos/*');
    expect(text).not.toContain('s3:PutObject');
    expect(text).not.toContain('Tagging');
  });

  test('is as wide as it is asked for', async () => {
    const words = ['--bucket', 'photos', '--use', 'write', '--with-tags', '--vpc-endpoint', 'vpce-1a2b'];
    const text = (await world.call('connector', 'policy', 'acme', ...words)).stdout;
    for (const part of ['s3:PutObject', 's3:PutObjectTagging', 'vpce-1a2b']) expect(text).toContain(part);
  });

  test.each(['iam-full', 'cloudformation', 'names'])('of kind %s has text', async (kind) => {
    const called = await world.call('connector', 'policy', 'acme', '--kind', kind, '--principal', ROLE);
    expect(called.exit, called.stderr).toBe(0);
    expect(called.stdout.length).toBeGreaterThan(20);
  });

  test('of a kind that the provider does not have is refused, and its kinds are named', async () => {
    const key = Buffer.alloc(64).toString('base64');
    await world.call(
      'connector',
      'add',
      'azure-blob',
      'az',
      '--account-name',
      'contoso',
      '--account-key',
      key,
      '--no-check',
    );
    const called = await world.json('connector', 'policy', 'az', '--kind', 'trust');
    expect(called).toMatchObject({ exit: 2, summary: { error: { code: 'UNSUPPORTED', field: '--kind' } } });
    expect(called.stderr).toContain('Azure Blob Storage has no text of the kind "trust".');
    expect(called.stderr).toContain('Its kinds are iam, iam-full, names.');
  });

  test('does not exist for folders, and an unknown kind is refused', async () => {
    await world.call('connector', 'add', 'local', 'disk', '--no-check');
    expect(await world.json('connector', 'policy', 'disk')).toMatchObject({ exit: 2 });
    expect(await world.json('connector', 'policy', 'acme', '--kind', 'magic')).toMatchObject({
      exit: 2,
      summary: { error: { code: 'USAGE', field: '--kind' } },
    });
  });
});
