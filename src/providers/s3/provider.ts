/** Amazon S3 and the stores that speak its protocol. */
import { defineProvider } from '../../contract/provider.ts';
import type { Account, Context, Place } from '../../contract/provider.ts';
import type { Config } from '../../contract/fields.ts';
import type { Transport } from '../../lib/transport.ts';
import { DroverError } from '../../model/errors.ts';
import { accountOfKey, domainOf, partitionOf, regionOfHost } from './address.ts';
import { browse } from './browse.ts';
import { check } from './check.ts';
import { S3Client } from './client.ts';
import { RenewingCredentials, baseCredentials, nonEmpty, readTokenFile } from './credentials.ts';
import type { CredentialSource } from './credentials.ts';
import { s3Fields, settingsOf } from './fields.ts';
import type { S3Settings } from './fields.ts';
import { makeBucket } from './make-bucket.ts';
import { keyParameter } from './address.ts';
import { Objects } from './objects.ts';
import { credentialsReach } from './own-hosts.ts';
import { memberRole, Organizations } from './organizations.ts';
import { ownIdentity } from './owner.ts';
import { policies } from './policies.ts';
import { ServerTime } from './server-time.ts';
import { openSource, sourceTraits } from './source.ts';
import { Sts } from './sts.ts';
import { openTarget, targetTraits } from './target.ts';

/** Enough for many small objects at a time; an adaptive limit above decides how many are really used. */
const CONNECTIONS_MAX = 128;

export const s3 = defineProvider({
  manifest: {
    id: 's3',
    title: 'Amazon S3',
    summary: 'Buckets of Amazon S3 and of compatible stores.',
    containerWord: 'bucket',
    source: sourceTraits,
    target: targetTraits,
  },
  account: s3Fields,
  credentialsReach,
  async open(config: Config, context: Context): Promise<Account> {
    return openAccount(settingsOf(config), context);
  },
});

/** The identities of an account: the one that signs, and the one that acts. They differ where a role is assumed. */
export interface Identities {
  readonly base: CredentialSource;
  readonly acting: CredentialSource;
  /** Found on the machine, and nothing is assumed: another one may find another. */
  readonly isOfMachine: boolean;
}

function openAccount(settings: S3Settings, context: Context): Account {
  const { environment, log } = context;
  const region = firstRegion(settings, environment);
  const transport = openLanes(settings, context);
  const time = new ServerTime(context.clock);
  const sts = new Sts(transport, settings, region, time);
  const closing = new AbortController();
  const identities = identitiesOf(settings, context, sts, () => time.now(), closing.signal);
  const client = new S3Client({ transport, settings, credentials: identities.acting, time, region, log });
  const fingerprint = fingerprintOf(settings, region, environment);
  const objectsAt = async (place: Place, signal: AbortSignal, pinsVersions = false) => {
    checkRestriction(settings, place);
    await requirePlace(client, place, signal);
    return new Objects(client, { bucket: place.container, prefix: place.prefix }, pinsVersions);
  };
  return {
    fingerprint,
    identify: async ({ container, prefix }) => ({
      store: `s3|${storeOf(settings, region)}`,
      container,
      prefix,
      ...(client.isAmazon ? {} : { mayBePerAccount: true as const }),
    }),
    check: (place, use, signal, wish) =>
      check({ client, sts, identities, random: context.random }, place, use, signal, wish),
    browse: (path, signal) => {
      if (path !== null && path.container !== '') checkBucket(settings, path.container);
      return browse(client, path, signal);
    },
    async source(place, options, signal) {
      const objects = await objectsAt(place, signal, options.versions === 'all');
      return openSource(objects, options.versions, fingerprint);
    },
    async target(place, options, signal) {
      const objects = await objectsAt(place, signal);
      const { isOfMachine } = identities;
      const own = ownIdentity(objects, sts, { runId: options.runId, isOfMachine });
      return openTarget({ objects, facts: options.facts, runId: options.runId, account: fingerprint, own });
    },
    makeContainer: (name, signal) => {
      checkBucket(settings, name);
      return makeBucket(client, name, signal);
    },
    ...membersOf(settings, context, { identities, time }),
    policies: (request) => policies(request, { settings, partition: partitionOf(region) }),
    async [Symbol.asyncDispose]() {
      closing.abort();
      await client.close();
    },
  };
}

/**
 * Contents are read over connections of their own, as many as there are download threads: a copy within one account
 * would otherwise wait for itself once all connections are reading.
 */
function openLanes(settings: S3Settings, context: Context): Transport {
  const { caCertificate, downloadThreads } = settings;
  const contents = context.openTransport({ caCertificate, connectionsMax: downloadThreads ?? CONNECTIONS_MAX });
  const others = context.openTransport({ caCertificate, connectionsMax: CONNECTIONS_MAX });
  return {
    send: (request) => (request.operation === 'GET' ? contents : others).send(request),
    async close() {
      await contents.close();
      await others.close();
    },
  };
}

function identitiesOf(
  settings: S3Settings,
  context: Context,
  sts: Sts,
  now: () => number,
  closing: AbortSignal,
): Identities {
  const { environment, log, openTransport } = context;
  const { roleArn, externalId } = settings;
  const tokenFile = settings.webIdentityTokenFile ?? nonEmpty(environment['AWS_WEB_IDENTITY_TOKEN_FILE']);
  const tokenRole = roleArn ?? nonEmpty(environment['AWS_ROLE_ARN']);
  const fromToken =
    settings.authorization === 'web-identity' || (settings.authorization === 'chain' && !settings.profile);
  if (fromToken && tokenFile !== null && tokenRole !== null && !environment['AWS_ACCESS_KEY_ID']) {
    const load = async () => sts.assumeRoleWithWebIdentity(tokenRole, await readTokenFile(tokenFile), closing);
    const acting = new RenewingCredentials(load, now, log);
    return { base: acting, acting, isOfMachine: false };
  }
  const base = baseCredentials(settings, environment, now, log, openTransport);
  // A role beside the standard chain or a key: that identity signs, the role acts.
  if (roleArn === null || settings.authorization === 'access-key') {
    return { base, acting: base, isOfMachine: settings.accessKeyId === null || settings.authorization === 'chain' };
  }
  const load = async () => sts.assumeRole({ roleArn, externalId }, await base.current(closing), closing);
  return { base, acting: new RenewingCredentials(load, now, log), isOfMachine: false };
}

/** Only a role can be assumed in other accounts, too; and a restriction to one bucket leaves nothing to look for there. */
function membersOf(
  settings: S3Settings,
  context: Context,
  { identities, time }: { readonly identities: Identities; readonly time: ServerTime },
): Pick<Account, 'members'> {
  const { roleArn, endpoint, bucket, caCertificate } = settings;
  const role = roleArn === null || identities.acting === identities.base ? null : memberRole(roleArn);
  const isAmazon = endpoint === null || /\.amazonaws\.com(\.cn)?$/.test(new URL(endpoint).hostname);
  if (role === null || !isAmazon || bucket !== null) return {};
  const organizations = new Organizations(role, identities.acting, { ...context, time, caCertificate });
  return { members: (signal) => organizations.members(signal) };
}

function firstRegion(settings: S3Settings, environment: Context['environment']): string {
  const told = settings.region ?? nonEmpty(environment['AWS_REGION']) ?? nonEmpty(environment['AWS_DEFAULT_REGION']);
  const host = settings.endpoint === null ? null : new URL(settings.endpoint).hostname;
  const ofHost = host === null ? null : (regionOfHost(host) ?? /\.s3\.([a-z0-9-]+)\.vpce\./.exec(host)?.[1] ?? null);
  if (settings.endpoint !== null) return settings.region ?? ofHost ?? 'us-east-1';
  return told ?? 'us-east-1';
}

/**
 * `s3|STORE|ACCOUNT`. STORE is the partition, or host and path of another endpoint. ACCOUNT is the account ID where a role or
 * an access key of Amazon tells it, so that rotated keys stay the same account; otherwise the access key ID, the
 * profile, or `chain`.
 */
export function fingerprintOf(settings: S3Settings, region: string, environment: Context['environment']): string {
  const { endpoint } = settings;
  const isAmazon = endpoint === null || new URL(endpoint).hostname.endsWith(domainOf(partitionOf(region)));
  const store = isAmazon ? partitionOf(region) : endpoint.replace(/^https?:\/\//, '').toLowerCase();
  return `s3|${store}|${accountName(settings, environment)}`;
}

/** Within it a bucket's name stands for one bucket, whoever signs in and with or without TLS. */
export function storeOf({ endpoint }: S3Settings, region: string): string {
  if (endpoint === null) return partitionOf(region);
  const { hostname, port, pathname } = new URL(endpoint);
  const name = hostname.replace(/\.$/, '');
  if (/\.amazonaws\.com(\.cn)?$/.test(name)) return partitionOf(regionOfHost(name) ?? region);
  return `${name}${port === '' ? '' : `:${port}`}${pathname.replace(/\/+$/, '')}`;
}

function accountName(settings: S3Settings, environment: Context['environment']): string {
  const { authorization, roleArn, profile } = settings;
  if (roleArn !== null && authorization !== 'access-key') {
    return /^arn:[^:]*:iam:[^:]*:(\d{12}):/.exec(roleArn)?.[1] ?? roleArn;
  }
  const fromEnvironment = profile === null ? nonEmpty(environment['AWS_ACCESS_KEY_ID']) : null;
  const accessKeyId = authorization === 'chain' ? fromEnvironment : settings.accessKeyId;
  if (accessKeyId !== null) return accountOfKey(accessKeyId) ?? accessKeyId;
  const name = profile ?? nonEmpty(environment['AWS_PROFILE']);
  return name === null ? 'chain' : `profile:${name}`;
}

function checkBucket(settings: S3Settings, bucket: string): void {
  if (settings.bucket === null || settings.bucket === bucket) return;
  throw new DroverError(
    'PLACE_NOT_FOUND',
    `This connector is restricted to the bucket "${settings.bucket}"; "${bucket}" is outside of it.`,
    { field: 'bucket', remedy: 'Choose a place in that bucket, or use another connector.' },
  );
}

function checkRestriction(settings: S3Settings, place: Place): void {
  if (place.container === '') {
    throw new DroverError('PLACE_NOT_FOUND', 'The place names no bucket.', { field: 'bucket' });
  }
  checkBucket(settings, place.container);
  if (place.prefix.startsWith(settings.prefix)) return;
  throw new DroverError(
    'PLACE_NOT_FOUND',
    `This connector is restricted to the path "${settings.prefix}"; "${place.prefix}" is outside of it.`,
    { field: 'prefix', remedy: 'Choose a place below that path, or use another connector.' },
  );
}

/** One listing of one key settles the bucket's existence and region. A missing right to list is no obstacle yet. */
async function requirePlace(client: S3Client, place: Place, signal: AbortSignal): Promise<void> {
  try {
    await client.run({
      method: 'GET',
      bucket: place.container,
      key: null,
      query: [
        ['list-type', '2'],
        ['max-keys', '1'],
        ['prefix', keyParameter(place.prefix)],
      ],
      operation: 'LIST',
      signal,
    });
  } catch (thrown) {
    if (thrown instanceof DroverError && thrown.code === 'PERMISSION_DENIED') return;
    throw thrown;
  }
}
