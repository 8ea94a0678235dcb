/** Where the real service differs from the emulator: each case went wrong once. */
import { expect, test } from 'vitest';
import type { CopyReference, WriteOptions } from '../../contract/provider.ts';
import type { HttpRequest, OpenTransport } from '../../lib/transport.ts';
import { NO_PROPERTIES } from '../../model/entry.ts';
import { simContext, simForm, simService } from '../../../test/azure-sim-bench.ts';
import { azureBlob } from './provider.ts';

const { signal } = new AbortController();
const place = { container: 'box', prefix: '' };

const options = (more: Partial<WriteOptions> = {}): WriteOptions => ({
  properties: NO_PROPERTIES,
  digests: {},
  expect: { kind: 'any' },
  modifiedAtMs: null,
  recorded: null,
  storageClass: null,
  kind: 'object',
  signal,
  ...more,
});

/** Refuses what `refuses` names a code for; sees every request. */
async function opened(refuses: (request: HttpRequest) => string | null = () => null) {
  const service = simService();
  service.createContainer('box');
  const seen: HttpRequest[] = [];
  const wrap = (open: OpenTransport): OpenTransport => {
    return (network) => {
      const inner = open(network);
      return {
        close: () => inner.close(),
        async send(request) {
          seen.push(request);
          const code = refuses(request);
          if (code === null) return inner.send(request);
          return {
            status: 400,
            headers: { 'x-ms-error-code': code },
            body: (async function* () {})(),
            bytes: async () => new Uint8Array(0),
            discard: async () => {},
          };
        },
      };
    };
  };
  const account = await azureBlob.open(simForm(), simContext(service, [], wrap));
  const target = await account.target(place, { facts: null, runId: 'abcdefgh' }, signal);
  return { service, seen, target };
}

const hello = { sizeBytes: 5, content: Buffer.from('hello') };

test('an account of a kind that keeps no tags gets the object, and the loss is told', async () => {
  const { target, service } = await opened(({ headers }) =>
    headers['x-ms-tags'] === undefined ? null : 'BlobTagsNotSupportedForAccountType',
  );
  const properties = { ...NO_PROPERTIES, tags: { team: 'red' }, tagCount: 1 };
  for (const key of ['a', 'b']) {
    const written = await target.write(key, hello, options({ properties }));
    expect(written.losses).toEqual([expect.stringContaining('tags were left out')]);
    expect(service.bytes('box', key)?.toString()).toBe('hello');
  }
});

test('a tier that the account does not offer is a matter of its field', async () => {
  const { target } = await opened(({ headers }) =>
    headers['x-ms-access-tier'] === undefined ? null : 'BlobAccessTierNotSupportedForAccountType',
  );
  await expect(target.write('a', hello, options({ storageClass: 'Cool' }))).rejects.toMatchObject({
    code: 'INVALID_INPUT',
    field: 'accessTier',
  });
});

test('a header beyond ASCII keeps its form, and the change is told', async () => {
  const { target } = await opened();
  const headers = { contentDisposition: 'attachment; filename="50% grün.txt"' };
  const written = await target.write('a', hello, options({ properties: { ...NO_PROPERTIES, headers } }));
  const sent = 'attachment; filename="50% gr%C3%BCn.txt"';
  expect((await target.describe(written.entry, signal)).properties.headers.contentDisposition).toBe(sent);
  expect(written.losses).toEqual([expect.stringContaining(sent)]);
});

const elsewhere: CopyReference = {
  account: 's3|aws|1',
  container: 'photos',
  fullKey: 'a',
  identity: { etag: 'e', versionId: null },
  url: 'https://photos.s3.eu-west-1.amazonaws.com/a?X-Amz-Signature=1',
};

test('the service is given time to fetch a block and to put many together', async () => {
  const { target, seen } = await opened();
  const parts = target.facets.parts!;
  const upload = await parts.begin('a', 5, 5, options());
  const range = { offset: 0, lengthBytes: 5 };
  await target.facets.serverSideCopy!.copyPart(upload, 0, elsewhere, range, signal).catch(() => undefined);
  await parts.complete(upload, [await parts.put(upload, 0, hello, {}, signal)], options());
  const slow = seen.filter(({ operation }) => operation === 'COPY' || operation === 'COMMIT');
  expect(slow.map(({ operation }) => operation)).toEqual(['COPY', 'COMMIT']);
  for (const request of slow) expect(request.idleMsMax).toBeGreaterThanOrEqual(10 * 60_000);
});

test('a source that the service refuses as such is carried through us', async () => {
  const { target } = await opened(({ headers }) =>
    headers['x-ms-copy-source'] === undefined ? null : 'InvalidHeaderValue',
  );
  const copied = target.facets.serverSideCopy!.copy(elsewhere, 'a', 5, options());
  await expect(copied).rejects.toMatchObject({ code: 'UNSUPPORTED' });
});
