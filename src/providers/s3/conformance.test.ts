import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, inject, test } from 'vitest';
import { conformance } from '../../conformance/kit.ts';
import type { Bench, Harness, Wrap } from '../../conformance/kit.ts';
import { countRequests } from '../../lib/counting.ts';
import { DEFAULT_LIMITS, limitRequests } from '../../lib/limiting.ts';
import { retrying } from '../../lib/retry.ts';
import { systemClock, systemRandom } from '../../lib/system.ts';
import { openUndiciTransport } from '../../lib/undici-transport.ts';
import type { Place } from '../../contract/provider.ts';
import type { Properties } from '../../model/entry.ts';
import type { RgwServer } from '../../../test/servers.ts';
import { headersOfProperties } from './headers.ts';
import { parseConfig } from '../../contract/config.ts';
import { s3 } from './provider.ts';
import { RawStore, inTurns } from '../../../test/raw-s3.ts';

const { rgw } = inject('servers');
const bucket = `kit-${randomBytes(6).toString('hex')}`;

if (rgw === null) {
  describe('s3 on Ceph RGW', () => test.skip('Ceph RGW is not installed here'));
} else {
  const raw = new RawStore(rgw);
  beforeAll(async () => {
    await raw.must('PUT', bucket, null);
  });
  afterAll(async () => {
    await raw.removeAll(bucket, '');
    await raw.send('DELETE', bucket, null);
  });
  conformance(harnessOf(rgw, raw));
}

function harnessOf(server: RgwServer, raw: RawStore): Harness {
  const config = {
    endpoint: server.endpoint,
    accessKeyId: server.accessKeyId,
    secretAccessKey: server.secretAccessKey,
    region: 'us-east-1',
  };
  return {
    name: 's3 on Ceph RGW',
    provider: s3,
    level: 'real-server',
    manyKeys: 2500,
    exempt: {
      'writing: names of metadata arrive exactly, or are reported as lost':
        'Ceph RGW writes "_" in metadata names as "-"; it is reported as a loss, and the other name is there.',
    },
    config: async () => config,
    open: (wrap) => openBench(raw, config, wrap),
    production: {
      wrap: (open) => countRequests(limitRequests(open, { clock: systemClock, ...DEFAULT_LIMITS }), {}),
      retry: (work, signal) => retrying(work, { clock: systemClock, random: systemRandom, signal, attemptsMax: 5 }),
    },
  };
}

let benches = 0;
let shared: Promise<Place> | null = null;

async function seedShared(raw: RawStore, keys: readonly string[], content: Uint8Array): Promise<Place> {
  const prefix = 'shared/';
  await inTurns(keys, (key) => raw.must('PUT', bucket, prefix + key, [], {}, content));
  return { container: bucket, prefix };
}

async function openBench(raw: RawStore, input: Record<string, string>, wrap: Wrap): Promise<Bench> {
  const parsed = parseConfig(s3.account, input);
  if (!('config' in parsed)) throw new Error(JSON.stringify(parsed.problems));
  const { config } = parsed;
  const prefix = `bench ${++benches}/ü/`;
  const place = { container: bucket, prefix };
  const logged: string[] = [];
  const open = () =>
    s3.open(config, {
      openTransport: wrap(openUndiciTransport({})),
      clock: systemClock,
      random: systemRandom,
      log: (_, message, details) => void logged.push(`${message} ${JSON.stringify(details ?? {})}`),
      environment: {},
      saveAccount: async () => undefined,
    });
  const account = await open();
  return {
    account,
    config,
    place,
    reopen: open,
    absentContainer: `${bucket}-absent`,
    logged,
    async seed(key, content, properties) {
      const whole: Properties = {
        headers: {},
        metadata: {},
        tags: null,
        tagCount: 0,
        missingMetadata: 0,
        ...properties,
      };
      await raw.must('PUT', bucket, prefix + key, [], headersOfProperties(whole, 'kept').headers, content);
    },
    seedShared: (keys, content) => (shared ??= seedShared(raw, keys, content)),
    async peek(key) {
      const answer = await raw.send('GET', bucket, prefix + key);
      return answer.status === 404 ? null : answer.body;
    },
    async wipe(key) {
      await raw.must('DELETE', bucket, prefix + key);
    },
    keys: async () => (await raw.keys(bucket, prefix)).map((key) => key.slice(prefix.length)),
    async leftovers() {
      const uploads = (await raw.uploads(bucket, prefix)).map(({ key, uploadId }) => `${key} ${uploadId}`);
      const probes = (await raw.keys(bucket, prefix)).filter((key) => key.includes('.drover-probe-'));
      return [...uploads, ...probes];
    },
    // No foreignUpload: Ceph RGW 16 names whoever asks as the initiator of every upload.
    // What it leaves goes with the bucket.
    [Symbol.asyncDispose]: () => account[Symbol.asyncDispose](),
  };
}
