/** Whose an unfinished upload is. */
import { child, childText } from '../../lib/xml.ts';
import type { XmlElement } from '../../lib/xml.ts';
import { DroverError } from '../../model/errors.ts';
import type { S3Client } from './client.ts';
import type { Sts } from './sts.ts';

/** The names under which a store may list us; asked for once. */
export interface OwnIdentity {
  names(signal: AbortSignal): Promise<ReadonlySet<string>>;
}

/** In a private network S3 may be all that can be reached; then STS is given up, and nothing counts as ours. */
const STS_TRIES_MAX = 3;

export function ownIdentity(client: S3Client, sts: Sts): OwnIdentity {
  let known: ReadonlySet<string> | null = null;
  let tries = 0;
  const caller = async (signal: AbortSignal): Promise<string[]> => {
    try {
      return await callerNames(client, sts, signal);
    } catch (thrown) {
      const isAway = thrown instanceof DroverError && (thrown.code === 'UNREACHABLE' || thrown.code === 'TIMED_OUT');
      if (!isAway || ++tries < STS_TRIES_MAX) throw thrown;
      return [];
    }
  };
  return {
    async names(signal) {
      known ??= new Set([...(await caller(signal)), ...(await ownerNames(client, signal))]);
      return known;
    },
  };
}

/** The initiator's name decides; the owner's only where no initiator is told and nobody else shares the account. */
export async function isOwn(own: OwnIdentity, upload: XmlElement, signal: AbortSignal): Promise<boolean> {
  const initiator = child(upload, 'Initiator') ?? child(upload, 'Owner');
  const id = initiator === null ? null : childText(initiator, 'ID');
  return id !== null && id !== '' && (await own.names(signal)).has(id);
}

async function callerNames(client: S3Client, sts: Sts, signal: AbortSignal): Promise<string[]> {
  if (!client.isAmazon && client.settings.stsEndpoint === null) return [];
  try {
    const identity = await sts.callerIdentity(await client.credentials(signal), signal);
    return [identity.arn];
  } catch (thrown) {
    if (isRefusal(thrown)) return [];
    throw thrown;
  }
}

/**
 * The canonical ID. At Amazon it is the account's, which initiates as itself only when its root user signs; compatible
 * stores have one ID per user.
 */
export async function ownerNames(client: S3Client, signal: AbortSignal): Promise<string[]> {
  try {
    const { root } = await client.document({
      method: 'GET',
      bucket: null,
      key: null,
      query: client.isAmazon ? [['max-buckets', '1']] : [],
      operation: 'LIST',
      signal,
    });
    const owner = child(root, 'Owner');
    const id = owner === null ? null : childText(owner, 'ID');
    return id === null || id === '' ? [] : [id];
  } catch (thrown) {
    if (isRefusal(thrown)) return [];
    throw thrown;
  }
}

function isRefusal(thrown: unknown): boolean {
  const codes = ['PERMISSION_DENIED', 'UNSUPPORTED', 'INTERNAL', 'NOT_FOUND', 'UNAUTHENTICATED'];
  return thrown instanceof DroverError && codes.includes(thrown.code);
}
