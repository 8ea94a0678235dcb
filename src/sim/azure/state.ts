/** What the simulated Azure Blob service remembers, and the options it is made with. */

import type { Clock, Random } from '../../lib/world.ts';
import type { Content } from '../content.ts';
import type { Query, SimRequest } from '../http.ts';
import type { SortedMap } from '../order.ts';
import { AzureError } from './error.ts';

export interface AzureOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly accountName: string;
  /** Base64. */
  readonly accountKey: string;
  readonly bearerTokens?: readonly BearerToken[];
  /** Nobody has the right to get a user delegation key. */
  readonly noDelegation?: boolean;
  /** Hierarchical namespace: directories are real. */
  readonly hns?: boolean;
  /** Every write keeps what was there as a version. Not with `hns`. */
  readonly versioning?: boolean;
  readonly defaultTier?: 'Hot' | 'Cool' | 'Cold';
  /** Reads the source of a copy by URL. Without it every source is unreachable. */
  readonly fetchUrl?: FetchUrl;
  /** More requests than this within a second of the clock get 503 ServerBusy. */
  readonly requestsPerSecond?: number;
  /** Pages of listings are cut short by chance, sometimes to nothing, and still have a marker. */
  readonly raggedPages?: boolean;
  /** Order of listings: `units` (UTF-16) as the emulator has it, or `bytes`. */
  readonly order?: 'units' | 'bytes';
  readonly blockBytesMax?: number;
  readonly putBytesMax?: number;
  /** How long a deleted container stays in the way; 30 s. */
  readonly containerDeleteMs?: number;
}

export interface BearerToken {
  readonly token: string;
  readonly role: 'reader' | 'contributor' | 'owner' | 'none';
  readonly expiresAtMs: number;
}

/** A plain GET of a URL, with an optional `range` and authorization among the headers. */
export type FetchUrl = (
  url: string,
  headers: Readonly<Record<string, string>>,
) => Promise<{
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}>;

export interface Block {
  readonly id: string;
  readonly content: Content;
}

export interface Blob {
  readonly content: Content;
  readonly blocks: readonly Block[];
  /** `content-type`, `content-encoding`, `content-language`, `content-disposition`, `cache-control`. */
  properties: Readonly<Record<string, string>>;
  /** Base64; `null` when nobody computed it. */
  readonly contentMd5: string | null;
  metadata: Readonly<Record<string, string>>;
  tags: ReadonlyMap<string, string>;
  etag: string;
  modifiedAtMs: number;
  readonly createdAtMs: number;
  readonly versionId: string | null;
  tier: string;
  tierInferred: boolean;
  rehydration: { readonly tier: string; readonly readyAtMs: number } | null;
  lease: { id: string; endsAtMs: number | null } | null;
  readonly copyStatus: { readonly id: string; readonly source: string } | null;
}

export interface Container {
  readonly name: string;
  readonly createdAtMs: number;
  etag: string;
  metadata: Readonly<Record<string, string>>;
  deletedAtMs: number | null;
  readonly blobs: SortedMap<Blob>;
  /** Older versions, newest first. */
  readonly history: Map<string, Blob[]>;
  readonly uncommitted: SortedMap<Map<string, Block>>;
  /** With a hierarchical namespace only; without the closing slash. */
  readonly directories: SortedMap<{ readonly modifiedAtMs: number; readonly etag: string }>;
}

export interface AzureWorld {
  readonly options: AzureOptions;
  readonly containers: SortedMap<Container>;
  nowMs(): number;
  /** A new opaque ETag, with its quotes. */
  etag(): string;
  /** A new UUID. */
  uuid(): string;
  /** A new version id: a timestamp of seven decimals, never the same twice. */
  versionId(): string;
}

/** What the caller may do: letters of SAS permissions. */
export interface Rights {
  readonly letters: string;
  /** Reaches only this container, or only this blob. */
  readonly container: string | null;
  readonly blob: string | null;
  /** Resource types of an account SAS. */
  readonly types: string;
}

export interface AzureCall {
  readonly world: AzureWorld;
  readonly request: SimRequest;
  readonly query: Query;
  readonly headers: Readonly<Record<string, string>>;
  readonly rights: Rights;
}

export interface BlobCall extends AzureCall {
  readonly container: Container;
  readonly name: string;
}

/** Demands one of these SAS letters on a resource type (`s`, `c`, `o`). */
export function permit(
  call: AzureCall,
  letters: string,
  type: 's' | 'c' | 'o',
  container: string | null,
  blob: string | null,
): void {
  const { rights } = call;
  const inReach =
    (rights.container === null || rights.container === container) && (rights.blob === null || rights.blob === blob);
  if (!inReach)
    throw new AzureError(
      'AuthenticationFailed',
      'Server failed to authenticate the request. The signature does not reach this resource.',
    );
  if (!rights.types.includes(type)) {
    throw new AzureError(
      'AuthorizationResourceTypeMismatch',
      'This request is not authorized to perform this operation using this resource type.',
    );
  }
  if (![...letters].some((letter) => rights.letters.includes(letter))) {
    throw new AzureError(
      'AuthorizationPermissionMismatch',
      'This request is not authorized to perform this operation using this permission.',
    );
  }
}

/** The blob as time has left it: rehydration done, lease run out. */
export function settled(world: AzureWorld, blob: Blob): Blob {
  const nowMs = world.nowMs();
  if (blob.rehydration !== null && nowMs >= blob.rehydration.readyAtMs) {
    blob.tier = blob.rehydration.tier;
    blob.rehydration = null;
  }
  if (blob.lease !== null && blob.lease.endsAtMs !== null && nowMs >= blob.lease.endsAtMs) blob.lease = null;
  return blob;
}

export function findBlob(call: BlobCall): Blob {
  const versionId = call.query.get('versionid');
  const current = call.container.blobs.get(call.name);
  const found =
    versionId === null || current?.versionId === versionId
      ? current
      : call.container.history.get(call.name)?.find((blob) => blob.versionId === versionId);
  if (found === undefined) throw new AzureError('BlobNotFound', 'The specified blob does not exist.');
  return settled(call.world, found);
}
