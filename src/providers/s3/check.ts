/** Permission by permission: who we are, and what may be done at the place. Nothing here throws for a refusal. */
import type { CheckLine, CheckWish, Place, Use } from '../../contract/provider.ts';
import { toDroverError } from '../../model/errors.ts';
import type { Entry } from '../../model/entry.ts';
import { keyParameter } from './address.ts';
import { bucketArn, granting, isAboutRights, line, refusal } from './check-lines.ts';
import { headLine, readLine, tagsLine, type ObjectCheck } from './check-objects.ts';
import { writeLines } from './check-writes.ts';
import type { S3Client } from './client.ts';
import type { CredentialSource } from './credentials.ts';
import { listOnce } from './scan.ts';
import { ownerNames } from './owner.ts';
import type { Sts } from './sts.ts';

export interface CheckParts extends ObjectCheck {
  readonly sts: Sts;
  readonly identities: { readonly base: CredentialSource; readonly acting: CredentialSource };
}

/** Troubles after which nothing further can be learnt. */
function isFinal(thrown: unknown): boolean {
  const error = toDroverError(thrown);
  return error.policy.scope === 'account' || error.code === 'PLACE_NOT_FOUND' || error.code === 'CANCELLED';
}

export async function* check(
  parts: CheckParts,
  place: Place | null,
  use: Use,
  signal: AbortSignal,
  wish: CheckWish = { tags: true, deletes: true },
): AsyncGenerator<CheckLine> {
  const { client } = parts;
  try {
    await parts.identities.acting.current(signal);
  } catch (thrown) {
    yield* signer(parts, signal);
    yield refusal('identity', 'Signing in failed', thrown);
    return;
  }
  yield* identity(parts, signal);
  const at = place ?? restrictedPlace(client);
  if (at === null) {
    yield await bucketsLine(client, signal);
    return;
  }
  const listed = await list(client, at, signal);
  yield listed.line;
  if (listed.isFinal) return;
  yield line('container', 'ok', `Bucket "${at.container}" is in region ${client.regionOf(at.container)}.`);
  let canRead = use === 'write';
  let canWrite = use === 'read';
  if (use !== 'write') {
    const { line: read, readable } = await readLine(client, at, listed.samples, signal);
    canRead = read.result === 'ok' || read.result === 'warning';
    yield read;
    if (wish.tags && readable !== null) yield await tagsLine(client, at, readable, signal);
  }
  if (use !== 'read') {
    if (use === 'write' && listed.line.result === 'ok') yield await headLine(parts, at, signal);
    for await (const answer of writeLines(parts, at, wish, signal)) {
      if (answer.what === 'write') canWrite = answer.result === 'ok';
      yield answer;
    }
  }
  const summary = summaryLine(use, listed.line.result === 'ok', canRead, canWrite);
  if (summary !== null) yield summary;
}

function restrictedPlace(client: S3Client): Place | null {
  const { bucket, prefix } = client.settings;
  return bucket === null ? null : { container: bucket, prefix };
}

/** What a connector with only some rights is good for: that is no fault of it. */
function summaryLine(use: Use, canList: boolean, canRead: boolean, canWrite: boolean): CheckLine | null {
  if (use !== 'both' || (canRead && canWrite && canList)) return null;
  if (canList && !canWrite) return line('fact', 'ok', 'This connector can only read: it cannot be used as a target.');
  if (canWrite && !canList) {
    const message = 'This connector can only write: it cannot be used as a source, nor compared with one.';
    return line('fact', 'ok', message);
  }
  return null;
}

async function* identity(parts: CheckParts, signal: AbortSignal): AsyncGenerator<CheckLine> {
  const { client, sts, identities } = parts;
  const { settings } = client;
  if (identities.base !== identities.acting) {
    yield* signer(parts, signal);
  }
  yield await actingLine(client, sts, identities.acting, signal);
  if (settings.roleArn === null || identities.base === identities.acting) return;
  if (settings.externalId === null) {
    const message =
      'No external ID is set: whoever makes Drover use this role ARN elsewhere would get in. Demand one in the trust policy.';
    yield line('identity', 'warning', message, { field: 'externalId' });
    return;
  }
  const isOpen = await worksWithoutExternalId(parts, settings.roleArn, signal);
  if (isOpen) {
    const message = 'The role can also be assumed without the external ID: its trust policy does not demand it.';
    yield line('identity', 'warning', message, {
      field: 'externalId',
      remedy:
        'Add the condition on sts:ExternalId; it stands in the trust policy of the connector ("drover connector policy --kind trust").',
    });
  }
}

async function* signer(parts: CheckParts, signal: AbortSignal): AsyncGenerator<CheckLine> {
  const { identities, sts } = parts;
  if (identities.base === identities.acting) return;
  try {
    const caller = await sts.callerIdentity(await identities.base.current(signal), signal);
    yield line(
      'identity',
      'ok',
      `Drover signs as ${caller.arn} (account ${caller.accountId}); the role must trust it.`,
      identified('signs', caller.arn, caller.accountId),
    );
  } catch (thrown) {
    const error = toDroverError(thrown);
    if (isAboutRights(error) || error.policy.scope === 'account')
      yield refusal('identity', 'The signing identity', error);
    else yield line('identity', 'unknown', `The store does not tell who signs (${error.message})`);
  }
}

async function actingLine(
  client: S3Client,
  sts: Sts,
  acting: CredentialSource,
  signal: AbortSignal,
): Promise<CheckLine> {
  const credentials = await acting.current(signal);
  try {
    const caller = await sts.callerIdentity(credentials, signal);
    const who = identified('acts', caller.arn, caller.accountId);
    return line('identity', 'ok', `Drover acts as ${caller.arn} (account ${caller.accountId}).`, who);
  } catch (thrown) {
    const error = toDroverError(thrown);
    const isKnownToS3 = error.code !== 'UNAUTHENTICATED' && error.code !== 'CREDENTIALS_EXPIRED';
    const names = isKnownToS3 ? await ownerNames(client, signal).catch(() => []) : [];
    if (names[0] !== undefined) {
      const who = identified('acts', names[0], '');
      return line('identity', 'ok', `Drover acts as the store's user "${names[0]}".`, who);
    }
    if (!isKnownToS3) return refusal('identity', 'The credentials were not accepted', error);
    return line(
      'identity',
      'unknown',
      `The store does not tell who acts; signed with ${credentials.keys.accessKeyId}.`,
    );
  }
}

function identified(role: 'signs' | 'acts', name: string, accountId: string): Pick<CheckLine, 'identity'> {
  return { identity: { role, name, accountId: accountId === '' ? null : accountId } };
}

async function worksWithoutExternalId(parts: CheckParts, roleArn: string, signal: AbortSignal): Promise<boolean> {
  try {
    const base = await parts.identities.base.current(signal);
    await parts.sts.assumeRole({ roleArn, externalId: null }, base, signal);
    return true;
  } catch {
    return false;
  }
}

async function bucketsLine(client: S3Client, signal: AbortSignal): Promise<CheckLine> {
  try {
    await client.run({
      method: 'GET',
      bucket: null,
      key: null,
      query: [['max-buckets', '1']],
      operation: 'LIST',
      signal,
    });
    return line('list', 'ok', 'The buckets of the account can be listed.');
  } catch (thrown) {
    const error = toDroverError(thrown);
    if (error.code !== 'PERMISSION_DENIED') return refusal('list', 'Listing the buckets failed', error);
    const message = 'The buckets cannot be listed; name one under "Restrict to bucket" or in each place.';
    return line('list', 'warning', message, { field: 'bucket' });
  }
}

async function list(
  client: S3Client,
  place: Place,
  signal: AbortSignal,
): Promise<{ line: CheckLine; samples: readonly Entry[]; isFinal: boolean }> {
  const query = [
    ['encoding-type', 'url'],
    ['list-type', '2'],
    ['max-keys', '50'],
    ['prefix', keyParameter(place.prefix)],
  ] as const;
  try {
    const at = { bucket: place.container, prefix: place.prefix };
    const page = await listOnce(client, at, query, { isMd5: true }, signal);
    const listed = line('list', 'ok', `${nameOf(place)} can be listed.`);
    return { line: listed, samples: samplesOf(page.entries), isFinal: false };
  } catch (thrown) {
    const refused = refusal('list', `${nameOf(place)} cannot be listed`, thrown);
    return {
      line: granting(refused, thrown, 's3:ListBucket', bucketArn(client, place)),
      samples: [],
      isFinal: isFinal(thrown),
    };
  }
}

/** Far from each other: one object may have a lock of its own. */
function samplesOf(entries: readonly Entry[]): readonly Entry[] {
  const good = entries.filter((entry) => entry.availability === 'online' && entry.sizeBytes > 0);
  const from = good.length > 0 ? good : entries;
  return [...new Set([from[0], from[Math.floor(from.length / 2)], from.at(-1)])].filter((entry) => entry !== undefined);
}

function nameOf(place: Place): string {
  return place.prefix === '' ? `Bucket "${place.container}"` : `"${place.prefix}" in bucket "${place.container}"`;
}
