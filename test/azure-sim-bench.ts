/** A simulated storage account, behind the transport interface, for the conformance kit and for single tests. */
import type { Bench, Wrap } from '../src/conformance/kit.ts';
import { parseConfig } from '../src/contract/config.ts';
import type { Config } from '../src/contract/fields.ts';
import type { Account, Context, Provider } from '../src/contract/provider.ts';
import { systemClock, systemRandom } from '../src/lib/system.ts';
import { createAzureService, type AzureOptions, type AzureService } from '../src/sim/azure-service.ts';
import { simTransport } from '../src/sim/transport.ts';

export const SIM_ACCOUNT = 'simulated';
export const SIM_KEY = Buffer.alloc(64, 7).toString('base64');
export const SIM_ENDPOINT = `https://${SIM_ACCOUNT}.blob.core.windows.net`;

export function simForm(): Record<string, string> {
  return { accountName: SIM_ACCOUNT, accountKey: SIM_KEY };
}

export function simService(options: Partial<AzureOptions> = {}): AzureService {
  return createAzureService({
    clock: systemClock,
    random: systemRandom,
    accountName: SIM_ACCOUNT,
    accountKey: SIM_KEY,
    ...options,
  });
}

export function simContext(service: AzureService, logged: string[] = [], wrap: Wrap = (open) => open): Context {
  return {
    openTransport: wrap(simTransport((origin) => (origin === SIM_ENDPOINT ? service : null), { clock: systemClock })),
    clock: systemClock,
    random: systemRandom,
    log: (level, message, details) => {
      logged.push(`${level} ${message} ${JSON.stringify(details ?? {})}`);
    },
    environment: {},
    saveAccount: async () => {},
  };
}

export async function openSimBench(provider: Provider, options: Partial<AzureOptions>, wrap: Wrap): Promise<Bench> {
  const service = simService(options);
  const place = { container: 'kit', prefix: 'pre fix/' };
  const box = place.container;
  service.createContainer(box);
  const { config } = parseConfig(provider.account, simForm()) as { config: Config };
  const logged: string[] = [];
  const reopen = (): Promise<Account> => provider.open(config, simContext(service, logged, wrap));
  return {
    account: await reopen(),
    config,
    place,
    reopen,
    absentContainer: 'absent',
    logged,
    async seed(key, content, properties) {
      const headers = properties?.headers ?? {};
      const all = {
        'content-type': headers.contentType ?? 'application/octet-stream',
        'content-encoding': headers.contentEncoding,
        'content-language': headers.contentLanguage,
        'content-disposition': headers.contentDisposition,
        'cache-control': headers.cacheControl,
      };
      const given = Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined);
      service.put(box, place.prefix + key, content, {
        properties: Object.fromEntries(given),
        metadata: { ...properties?.metadata },
        tags: new Map(Object.entries(properties?.tags ?? {})),
      });
    },
    async seedMany(keys, content) {
      for (const key of keys) service.put(box, place.prefix + key, content);
    },
    async peek(key) {
      return service.bytes(box, place.prefix + key);
    },
    async wipe(key) {
      service.container(box).blobs.delete(place.prefix + key);
    },
    async keys() {
      return service.keys(box).map((key) => key.slice(place.prefix.length));
    },
    async foreignUpload(key) {
      const other = await reopen();
      const { signal } = new AbortController();
      const target = await other.target(place, { facts: null, runId: 'foreignrun' }, signal);
      const properties = { headers: {}, metadata: {}, tags: null, tagCount: 0, missingMetadata: 0 };
      const neutral = { digests: {}, modifiedAtMs: null, recorded: null, storageClass: null, kind: 'object' } as const;
      await target.facets.parts?.begin(key, 10, 5, { ...neutral, properties, expect: { kind: 'any' }, signal });
    },
    async [Symbol.asyncDispose]() {},
  };
}
