/** The S3 provider keeps the contract on AWS as documented: what no server that runs here does. */
import { parseConfig } from '../contract/config.ts';
import { conformance } from '../conformance/kit.ts';
import type { Bench, Wrap } from '../conformance/kit.ts';
import { systemClock, systemRandom } from '../lib/system.ts';
import type { Properties } from '../model/entry.ts';
import { s3 } from '../providers/s3/provider.ts';
import { createS3Service } from './s3-service.ts';
import { simTransport } from './transport.ts';

const ENDPOINT = 'http://sim.test';
const BUCKET = 'kit';
const SECRET = 'kx7Qm2vT9zR4bN8wPlaceHolderYd3fGh';

const service = createS3Service({
  clock: systemClock,
  random: systemRandom,
  virtualHostBases: ['sim.test'],
  accounts: [
    { accountId: '111111111111', users: [{ name: 'alice', accessKeyId: 'AKALICE', secretAccessKey: SECRET }] },
    { accountId: '222222222222', users: [{ name: 'bob', accessKeyId: 'AKBOB', secretAccessKey: SECRET }] },
  ],
});
service.createBucket(BUCKET, { sharedWith: ['222222222222'] });

const form = {
  endpoint: ENDPOINT,
  stsEndpoint: ENDPOINT,
  accessKeyId: 'AKALICE',
  secretAccessKey: SECRET,
  region: 'us-east-1',
};
const parsed = parseConfig(s3.account, form);
if ('problems' in parsed) throw new Error(JSON.stringify(parsed.problems));
const { config } = parsed;

let benches = 0;

async function open(wrap: Wrap): Promise<Bench> {
  const prefix = `bench ${++benches}/ü/`;
  const logged: string[] = [];
  const openAccount = (account = config) =>
    s3.open(account, {
      openTransport: wrap(
        simTransport((origin) => (/^http:\/\/(?:[a-z-]+\.)?sim\.test$/.test(origin) ? service : null)),
      ),
      clock: systemClock,
      random: systemRandom,
      log: (_, message, details) => void logged.push(`${message} ${JSON.stringify(details ?? {})}`),
      environment: {},
      saveAccount: async () => undefined,
    });
  const account = await openAccount();
  const uploads = () => [...service.bucket(BUCKET).uploads.values()].filter((upload) => upload.key.startsWith(prefix));
  return {
    account,
    config,
    place: { container: BUCKET, prefix },
    reopen: () => openAccount(),
    absentContainer: 'kit-absent',
    logged,
    async seed(key, content, properties = {}) {
      const { headers = {}, metadata = {}, tags = null } = properties;
      service.put(BUCKET, prefix + key, content, {
        headers: headersOf(headers),
        metadata,
        tags: new Map(Object.entries(tags ?? {})),
      });
    },
    async seedMany(keys, content) {
      for (const key of keys) service.put(BUCKET, prefix + key, content);
    },
    peek: async (key) => service.bytes(BUCKET, prefix + key),
    wipe: async (key) => service.remove(BUCKET, prefix + key),
    keys: async () => keysBelow(prefix),
    leftovers: async () => [
      ...uploads().map((upload) => upload.key),
      ...keysBelow(prefix).filter((key) => key.includes('.drover-probe-')),
    ],
    async [Symbol.asyncDispose]() {
      await account[Symbol.asyncDispose]();
      // Whoever asks for keys looks at all that there are.
      const { objects } = service.bucket(BUCKET);
      const own = objects.keys().filter((key) => key.startsWith(prefix));
      for (const key of own.toReversed()) objects.delete(key);
    },
  };
}

function headersOf(headers: Partial<Properties['headers']>): Record<string, string> {
  const all = {
    'content-type': headers.contentType ?? 'binary/octet-stream',
    'content-encoding': headers.contentEncoding,
    'content-language': headers.contentLanguage,
    'content-disposition': headers.contentDisposition,
    'cache-control': headers.cacheControl,
    expires: headers.expires,
  };
  return Object.fromEntries(
    Object.entries(all).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}

function keysBelow(prefix: string): readonly string[] {
  return service
    .keys(BUCKET)
    .filter((key) => key.startsWith(prefix))
    .map((key) => key.slice(prefix.length));
}

conformance({
  name: 's3 on simulated AWS',
  provider: s3,
  level: 'faked',
  manyKeys: 10_500,
  config: async () => form,
  open,
});
