/** The command line as a process in a private network: a private authority, a proxy, private addresses, and roles. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { makeAuthority } from '../certificates.ts';
import { runDrover, type Outcome } from './command.ts';
import {
  EXTERNAL_ID,
  openPrivateNetwork,
  ROLE_ARN,
  STORE_NAME,
  STS_NAME,
  type PrivateNetwork,
} from './private-network.ts';

const OBJECTS = 60;

let network: PrivateNetwork;
let folder: string;

beforeAll(async () => {
  network = await openPrivateNetwork();
  network.service.createBucket('photos');
  for (let i = 0; i < OBJECTS; i++) network.service.put('photos', `in/${i}`, `content ${i}`);
});
afterAll(async () => network[Symbol.asyncDispose]());

beforeEach(() => {
  network.forget();
  network.sessionRequestsMax = Number.POSITIVE_INFINITY;
  network.sessionLifeMs = null;
  folder = mkdtempSync(join(tmpdir(), 'drover-private-'));
  return () => rmSync(folder, { recursive: true, force: true });
});

/** `drover` with a connector `corp` whose fields are the usual ones and `fields`; a field of `null` is left out. */
function drover(
  words: readonly string[],
  fields: Readonly<Record<string, string | null>> = {},
  environment: Readonly<Record<string, string>> = {},
): Promise<Outcome> {
  const all: Record<string, string | null> = {
    PROVIDER: 's3',
    ENDPOINT: network.storeOrigin,
    REGION: 'us-east-1',
    PATH_STYLE: 'true',
    ACCESS_KEY_ID: 'AKSIGNER',
    SECRET_ACCESS_KEY: 'secret-of-signer',
    CA_CERTIFICATE: network.caCertificate,
    ...fields,
  };
  const given = Object.entries(all).flatMap(([name, value]) =>
    value === null ? [] : [[`DROVER_CONNECTOR_CORP_${name}`, value] as const],
  );
  const state = { XDG_STATE_HOME: join(folder, 'state') };
  return runDrover(words, { environment: { ...state, ...environment, ...Object.fromEntries(given) } });
}

const copyOut = ['--json', 'copy', 'corp:photos/in'] as const;

describe('a private authority', () => {
  test('that the connector names is trusted', async () => {
    const copied = await drover([...copyOut, join(folder, 'out')]);
    expect(copied.code, copied.stderr).toBe(0);
    expect(copied.summary).toMatchObject({ items: { scanned: OBJECTS, copied: OBJECTS, failed: 0 } });
    expect(readFileSync(join(folder, 'out/7'), 'utf8')).toBe('content 7');
    const back = await drover(['--json', 'copy', join(folder, 'out'), 'corp:photos/back']);
    expect(back.code, back.stderr).toBe(0);
    expect(network.service.keys('photos').filter((key) => key.startsWith('back/'))).toHaveLength(OBJECTS);
  });

  test.each([
    ['no authority', () => null],
    ['another authority', () => makeAuthority('Somebody else').certificate],
  ])('is refused where the connector names %s, and the field is said', async (_what, certificate) => {
    const called = await drover(['--json', 'ls', 'corp:photos'], { CA_CERTIFICATE: certificate() });
    expect(called.code).toBe(5);
    expect(called.summary.error).toMatchObject({ code: 'UNREACHABLE', field: 'caCertificate' });
    const [sentence, remedy, ...more] = called.stderr.trimEnd().split('\n');
    expect(sentence).toBe(
      `The certificate of ${new URL(network.storeOrigin).host} is not trusted: its authority is unknown here.`,
    );
    expect(remedy).toContain('CA certificate');
    expect(more).toEqual([]);
    expect(network.requests).toEqual([]);
  });
});

describe('a proxy', () => {
  const environment = (): Record<string, string> => ({ HTTPS_PROXY: network.proxyOrigin });

  test('reaches what nothing else can find, and every request passes it', async () => {
    const fields = { ENDPOINT: `https://${STORE_NAME}` };
    const copied = await drover([...copyOut, join(folder, 'out')], fields, environment());
    expect(copied.code, copied.stderr).toBe(0);
    expect(readdirSync(join(folder, 'out'))).toHaveLength(OBJECTS);
    expect(network.requests.filter((line) => line.startsWith('S3 GET /photos/in/'))).toHaveLength(OBJECTS);
    expect(new Set(network.tunnels)).toEqual(new Set([`CONNECT ${STORE_NAME}:443`]));
    const direct = await drover(['--json', 'ls', 'corp:photos'], fields);
    expect(direct).toMatchObject({ code: 5, summary: { error: { code: 'UNREACHABLE' } } });
  });

  test('is passed by for what NO_PROXY names, and only for that', async () => {
    const fields = { ROLE_ARN, EXTERNAL_ID, STS_ENDPOINT: `https://${STS_NAME}` };
    const listed = await drover(['--json', 'ls', 'corp:photos'], fields, { ...environment(), NO_PROXY: '127.0.0.1' });
    expect(listed.code, listed.stderr).toBe(0);
    expect(network.requests).toEqual(expect.arrayContaining([expect.stringMatching(/^S3 GET \/photos\?/)]));
    expect(new Set(network.tunnels)).toEqual(new Set([`CONNECT ${STS_NAME}:443`]));
    network.forget();
    const proxied = await drover(['--json', 'ls', 'corp:photos'], fields, environment());
    expect(proxied.code, proxied.stderr).toBe(0);
    expect(network.tunnels).toContain(`CONNECT ${new URL(network.storeOrigin).host}`);
  });

  test('that does not answer is named', async () => {
    const called = await drover(['--json', 'ls', 'corp:photos'], {}, { HTTPS_PROXY: 'http://127.0.0.1:9' });
    expect(called).toMatchObject({ code: 5, summary: { error: { code: 'UNREACHABLE' } } });
    expect(called.stderr).toContain('127.0.0.1:9');
    expect(network.requests).toEqual([]);
  });
});

describe('a role at a private STS address', () => {
  const role = (externalId: string | null): Record<string, string | null> => ({
    ROLE_ARN,
    EXTERNAL_ID: externalId,
    STS_ENDPOINT: network.stsOrigin,
  });

  test('is assumed with the right external ID, and a test says who signs and who acts', async () => {
    const called = await drover(['connector', 'test', 'corp:photos/in'], role(EXTERNAL_ID));
    expect(called.code, called.stdout + called.stderr).toBe(0);
    expect(called.stdout).toContain('ok  Drover signs as arn:aws:iam::111122223333:user/signer ');
    expect(called.stdout).toContain('ok  Drover acts as arn:aws:sts::111122223333:assumed-role/mover/drover ');
    expect(called.stdout).not.toContain('without the external ID');
    expect(network.requests).toContain('STS AssumeRole');
    expect(network.requests.filter((line) => line.startsWith('S3 POST / '))).toEqual([]);
    const copied = await drover([...copyOut, join(folder, 'out')], role(EXTERNAL_ID));
    expect(copied.code, copied.stderr).toBe(0);
  });

  test.each([
    ['a wrong external ID', 'drover-another', 'externalId'],
    ['no external ID', null, 'roleArn'],
  ])('with %s is refused, and the field is named', async (_what, externalId, field) => {
    const tested = await drover(['--json', 'connector', 'test', 'corp'], role(externalId));
    expect(tested).toMatchObject({ code: 2, summary: { error: { code: 'UNAUTHENTICATED', field } } });
    expect(tested.stdout).toContain('Drover signs as arn:aws:iam::111122223333:user/signer');
    const copied = await drover([...copyOut, join(folder, 'out')], role(externalId));
    expect(copied).toMatchObject({ code: 2, summary: { error: { code: 'UNAUTHENTICATED', field } } });
    expect(copied.stderr).not.toContain(EXTERNAL_ID);
    expect(network.requests.filter((line) => line.startsWith('S3 '))).toEqual([]);
  });

  test('is assumed again when a run outlives its credentials', async () => {
    network.sessionRequestsMax = 15;
    const copied = await drover([...copyOut, join(folder, 'out')], role(EXTERNAL_ID));
    expect(copied.code, copied.stderr).toBe(0);
    expect(copied.summary).toMatchObject({ items: { copied: OBJECTS, failed: 0 } });
    expect(readdirSync(join(folder, 'out'))).toHaveLength(OBJECTS);
    const assumed = network.requests.filter((line) => line === 'STS AssumeRole').length;
    expect(assumed).toBeGreaterThanOrEqual(Math.floor(OBJECTS / 15));
  });

  test('is assumed again before its credentials end', async () => {
    // Within the last minute none is used any more, so nobody has to wait here for that minute to come.
    network.sessionLifeMs = 59_000;
    const copied = await drover([...copyOut, join(folder, 'out')], role(EXTERNAL_ID));
    expect(copied.code, copied.stderr).toBe(0);
    expect(copied.summary).toMatchObject({ items: { copied: OBJECTS, failed: 0 } });
    expect(network.requests.filter((line) => line === 'STS AssumeRole').length).toBeGreaterThan(1);
  });
});
