/** Whose an unfinished upload is. */
import { child, childText, children } from '../../lib/xml.ts';
import type { XmlElement } from '../../lib/xml.ts';
import { DroverError, toDroverError, type ErrorCode } from '../../model/errors.ts';
import { keyParameter } from './address.ts';
import type { S3Client } from './client.ts';
import type { Credentials } from './credentials.ts';
import { encryptionOfWrite } from './encryption.ts';
import type { Objects } from './objects.ts';
import type { Sts } from './sts.ts';

export interface OwnIdentity {
  /** Whether we began that upload of a listing, or whoever has one of those names; `null` where nobody can tell. */
  began(upload: XmlElement, by: readonly string[], signal: AbortSignal): Promise<boolean | null>;
  /** Our names, for those who go on with our work under others. Only where they may have others. */
  readonly names?: (signal: AbortSignal) => Promise<readonly string[]>;
}

interface Who {
  readonly runId: string;
  /** Of the same connector, each machine may sign under a name of its own: as a session of the role that is its own. */
  readonly isOfMachine: boolean;
}

/** In a private network S3 may be all that can be reached; then STS is given up. */
const STS_TRIES_MAX = 3;
/** UNAVAILABLE: some proxies answer for what cannot be reached. */
const AWAY: readonly ErrorCode[] = ['UNREACHABLE', 'TIMED_OUT', 'UNAVAILABLE'];

/** The names under which a store may list us, each asked for once per session. */
export function ownIdentity(objects: Objects, sts: Sts, { runId, isOfMachine }: Who): OwnIdentity {
  const { client } = objects;
  let told: { readonly names: ReadonlySet<string>; readonly isAll: boolean } | null = null;
  let shown: { readonly names: ReadonlySet<string> } | null = null;
  let session: Credentials | null = null;
  let earlier: ReadonlySet<string> = new Set();
  let tries = 0;
  const caller = async (signal: AbortSignal): Promise<string[]> => {
    try {
      return await callerNames(client, sts, signal);
    } catch (thrown) {
      const isAway = thrown instanceof DroverError && AWAY.includes(thrown.code);
      if (!isAway || ++tries < STS_TRIES_MAX) throw thrown;
      return [];
    }
  };
  const askNames = async (signal: AbortSignal) => {
    const callers = await caller(signal);
    const names = new Set([...callers, ...(await ownerNames(client, signal))]);
    return { names, isAll: client.isAmazon && callers.length > 0 };
  };
  const toldTo = async (signal: AbortSignal) => {
    if (told !== null) return told;
    const since = session;
    const asked = await askNames(signal);
    // Renewed meanwhile: it may be the name of the session before.
    if (since !== session) earlier = new Set([...earlier, ...asked.names]);
    else told = asked;
    return asked;
  };
  const shownTo = async (signal: AbortSignal) => {
    if (shown === null) {
      const name = await nameOfOwnUpload(objects, `.drover-probe-${runId}-a`, signal);
      shown = { names: new Set(name === null ? [] : [name]) };
    }
    return shown.names;
  };
  /** A profile's role gets a session of another name each time that it is assumed anew. */
  const noticeSession = async (signal: AbortSignal): Promise<void> => {
    if (!isOfMachine) return;
    const now = await client.credentials(signal);
    if (session === now) return;
    earlier = new Set([...earlier, ...(told?.names ?? []), ...(shown?.names ?? [])]);
    session = now;
    told = null;
    shown = null;
  };
  return {
    async began(upload, by, signal) {
      const name = initiatorOf(upload);
      if (name === null) return null;
      if (by.includes(name)) return true;
      await noticeSession(signal);
      const { names, isAll } = await toldTo(signal);
      if (names.has(name) || earlier.has(name)) return true;
      if (isAll) return false;
      const own = await shownTo(signal);
      return own.size === 0 ? null : own.has(name);
    },
    ...(isOfMachine &&
      client.isAmazon && {
        names: async (signal) => {
          await noticeSession(signal);
          const { names, isAll } = await toldTo(signal);
          return isAll ? [...names] : [...names, ...(await shownTo(signal))];
        },
      }),
  };
}

/** The initiator's name decides; the owner's only where no initiator is told and nobody else shares the account. */
function initiatorOf(upload: XmlElement): string | null {
  const initiator = child(upload, 'Initiator') ?? child(upload, 'Owner');
  return (initiator === null ? null : childText(initiator, 'ID')) || null;
}

/**
 * A store may name users while its list of buckets names their account, and STS may be out of reach: how it calls us
 * stands in its list of uploads, once we have begun one. What a killed process leaves of that goes with its other trials.
 * `null`: we may not do that, or it names nobody.
 */
async function nameOfOwnUpload(objects: Objects, name: string, signal: AbortSignal): Promise<string | null> {
  const { client, place } = objects;
  const on = objects.on(name);
  let uploadId: string | null = null;
  try {
    const headers = encryptionOfWrite(client.settings);
    const begun = await client.document({
      ...on,
      method: 'POST',
      query: [['uploads', '']],
      headers,
      operation: 'BEGIN',
      signal,
    });
    uploadId = childText(begun.root, 'UploadId');
    const query = [
      ['encoding-type', 'url'],
      ['prefix', keyParameter(objects.fullKey(name))],
      ['uploads', ''],
    ] as const;
    const { bucket } = place;
    const { root } = await client.document({ method: 'GET', bucket, key: null, query, operation: 'LIST', signal });
    const own = children(root, 'Upload').find((upload) => childText(upload, 'UploadId') === uploadId);
    return own === undefined ? null : initiatorOf(own);
  } catch (thrown) {
    const { code, policy } = toDroverError(thrown);
    if (policy.retry !== 'never' || code === 'CANCELLED') throw thrown;
    return null;
  } finally {
    if (uploadId) {
      const end = { ...on, method: 'DELETE', query: [['uploadId', uploadId]], operation: 'ABORT' } as const;
      await client.run({ ...end, signal: new AbortController().signal }).catch(() => undefined);
    }
  }
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
