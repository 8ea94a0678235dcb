import { expect, test } from 'vitest';
import { parseXml } from '../../lib/xml.ts';
import { DroverError, type ErrorCode } from '../../model/errors.ts';
import type { Credentials } from './credentials.ts';
import type { Objects } from './objects.ts';
import { ownIdentity } from './owner.ts';
import type { Sts } from './sts.ts';

const { signal } = new AbortController();

const xml = parseXml;
const uploadOf = (name: string) => xml(`<Upload><Initiator><ID>${name}</ID></Initiator></Upload>`);

/** Amazon, asked by a machine whose session changes with its credentials. */
function open(isOfMachine: boolean, refusal: ErrorCode | null = null) {
  let session = 0;
  let credentials = made();
  const asked: string[] = [];
  function made(): Credentials {
    session += 1;
    return { keys: { accessKeyId: `ASIA${session}`, secretAccessKey: 'x', sessionToken: 't' }, expiresAtMs: null };
  }
  const client = {
    isAmazon: true,
    settings: { stsEndpoint: null, encryption: null },
    credentials: async () => credentials,
    document: async ({ operation, bucket }: { operation: string; bucket: string | null }) => {
      asked.push(operation);
      if (operation === 'BEGIN') return { root: xml('<R><UploadId>u</UploadId></R>') };
      if (bucket === null) return { root: xml('<R><Owner><ID>canonical</ID></Owner></R>') };
      const upload = `<Upload><UploadId>u</UploadId><Initiator><ID>session-${session}</ID></Initiator></Upload>`;
      return { root: xml(`<R>${upload}</R>`) };
    },
    run: async ({ operation }: { operation: string }) => void asked.push(operation),
  };
  const objects = {
    client,
    place: { bucket: 'b', prefix: '' },
    on: (key: string) => ({ bucket: 'b', key, name: key }),
    fullKey: (key: string) => key,
  };
  const sts = {
    callerIdentity: async () => {
      asked.push('STS');
      if (refusal !== null) throw new DroverError(refusal, 'No.');
      return { accountId: '1', arn: `session-${session}` };
    },
  };
  const own = ownIdentity(objects as unknown as Objects, sts as unknown as Sts, { runId: 'run', isOfMachine });
  return { own, asked, renew: () => void (credentials = made()) };
}

test.each([null, 'PERMISSION_DENIED'] as const)(
  'a role that is assumed anew has another name (STS: %s)',
  async (refusal) => {
    const { own, asked, renew } = open(true, refusal);
    const names = async () => own.names!(signal);
    expect(await names()).toContain('session-1');
    const once = asked.length;
    expect(await names()).toContain('session-1');
    expect(asked).toHaveLength(once);
    renew();
    // Whoever goes on with an upload that is begun now has to be told this one.
    expect(await names()).toContain('session-2');
    expect(await names()).not.toContain('session-1');
    for (const [name, isOwn] of [
      ['session-1', true],
      ['session-2', true],
      ['session-3', false],
    ] as const)
      expect([name, await own.began(uploadOf(name), [], signal)]).toEqual([name, isOwn]);
  },
);

test('who has one name is asked for it once', async () => {
  const { own, asked, renew } = open(false);
  expect(own.names).toBeUndefined();
  expect(await own.began(uploadOf('session-1'), [], signal)).toBe(true);
  const once = asked.length;
  renew();
  expect(await own.began(uploadOf('session-1'), [], signal)).toBe(true);
  expect(asked).toHaveLength(once);
});

test.each(['UNREACHABLE', 'TIMED_OUT', 'UNAVAILABLE'] as const)(
  'an STS that is %s keeps no upload from its begin',
  async (code) => {
    const { own } = open(true, code);
    for (let i = 0; i < 2; i++) await expect(own.names!(signal)).rejects.toMatchObject({ code });
    expect(await own.names!(signal)).toEqual(['canonical', 'session-1']);
  },
);
