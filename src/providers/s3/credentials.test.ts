import { describe, expect, test } from 'vitest';
import { DroverError } from '../../model/errors.ts';
import { RenewingCredentials, baseCredentials } from './credentials.ts';
import type { Credentials } from './credentials.ts';
import { openUndiciTransport } from '../../lib/undici-transport.ts';
import { settingsOf } from './fields.ts';
import { generateExternalId } from './sts.ts';

const { signal } = new AbortController();
const HOUR_MS = 3_600_000;

function issuer() {
  const state = { nowMs: 0, issued: 0, fails: false, pending: [] as (() => void)[], isHeld: false };
  const load = async (): Promise<Credentials> => {
    if (state.isHeld) await new Promise<void>((resolve) => state.pending.push(resolve));
    if (state.fails) throw new DroverError('UNREACHABLE', 'no way');
    state.issued++;
    const keys = { accessKeyId: `AK${state.issued}`, secretAccessKey: 'S', sessionToken: 'T' };
    return { keys, expiresAtMs: state.nowMs + HOUR_MS };
  };
  const logged: string[] = [];
  const log = (_: string, message: string) => void logged.push(message);
  const source = new RenewingCredentials(load, () => state.nowMs, log);
  return { state, source, logged };
}

describe('renewing', () => {
  test('many who ask at once make one request', async () => {
    const { state, source } = issuer();
    const all = await Promise.all(Array.from({ length: 20 }, () => source.current(signal)));
    expect(state.issued).toBe(1);
    expect(new Set(all).size).toBe(1);
  });

  test('the old ones serve until the new ones are there', async () => {
    const { state, source } = issuer();
    await source.current(signal);
    state.nowMs = HOUR_MS * 0.85;
    state.isHeld = true;
    expect((await source.current(signal)).keys.accessKeyId).toBe('AK1');
    expect((await source.current(signal)).keys.accessKeyId).toBe('AK1');
    expect(state.pending).toHaveLength(1);
    state.pending[0]?.();
    const renewed = await source.renew(await source.current(signal), signal);
    expect(renewed.keys.accessKeyId).toBe('AK2');
    expect(state.issued).toBe(2);
  });

  test('a failing renewal is said, and asked again only after a while; once expired, the failure is thrown', async () => {
    const { state, source, logged } = issuer();
    await source.current(signal);
    state.fails = true;
    state.nowMs = HOUR_MS * 0.85;
    expect((await source.current(signal)).keys.accessKeyId).toBe('AK1');
    await Promise.resolve();
    await expect.poll(() => logged.length).toBe(1);
    await source.current(signal);
    expect(logged).toHaveLength(1);
    state.nowMs = HOUR_MS;
    await expect(source.current(signal)).rejects.toMatchObject({ code: 'UNREACHABLE' });
  });

  test('one who gives up does not stop the others', async () => {
    const { state, source } = issuer();
    state.isHeld = true;
    const impatient = new AbortController();
    const stopped = source.current(impatient.signal);
    const patient = source.current(signal);
    impatient.abort();
    await expect(stopped).rejects.toMatchObject({ code: 'CANCELLED' });
    state.pending[0]?.();
    expect((await patient).keys.accessKeyId).toBe('AK1');
  });

  test('what was refused is replaced once, not once by everybody', async () => {
    const { state, source } = issuer();
    const refused = await source.current(signal);
    await source.renew(refused, signal);
    await source.renew(refused, signal);
    expect(state.issued).toBe(2);
  });
});

describe('the identity that signs', () => {
  const environment = { AWS_ACCESS_KEY_ID: 'ENVKEY', AWS_SECRET_ACCESS_KEY: 'S' };
  const base = (config: Record<string, string>) =>
    baseCredentials(
      settingsOf(config),
      environment,
      () => 0,
      () => undefined,
      openUndiciTransport({}),
    ).current(signal);

  test('the fields beat the environment, the environment the files', async () => {
    expect((await base({ accessKeyId: 'OWN', secretAccessKey: 'S' })).keys.accessKeyId).toBe('OWN');
    expect((await base({})).keys.accessKeyId).toBe('ENVKEY');
  });

  test('a named profile is looked for in the files, and named when it is not there', async () => {
    const absent = { ...environment, AWS_SHARED_CREDENTIALS_FILE: '/dev/null', AWS_CONFIG_FILE: '/dev/null' };
    const settings = settingsOf({ profile: 'absent' });
    const source = baseCredentials(
      settings,
      absent,
      () => 0,
      () => undefined,
      openUndiciTransport({}),
    );
    await expect(source.current(signal)).rejects.toMatchObject({ code: 'UNAUTHENTICATED', field: 'profile' });
  });
});

test('external IDs fit a trust policy and differ', () => {
  let seed = 0;
  const random = { fraction: () => 0, bytes: (length: number) => new Uint8Array(length).fill(++seed) };
  const id = generateExternalId(random);
  expect(id).toMatch(/^[\w+=,.@:/-]{2,1224}$/);
  expect(generateExternalId(random)).not.toBe(id);
});
