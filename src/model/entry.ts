/** What stands at a place: objects, folders, and things that exist but cannot be moved as bytes. */
import type { CompositeDigest, Digests } from './digest.ts';

/**
 * What pins one state of one object. A read names it and fails with CHANGED when it no longer holds.
 * `etag` is stored without quotes and compared for equality only; `versionId` is `null` where there are no versions.
 */
export interface Identity {
  readonly etag: string | null;
  readonly versionId: string | null;
}

export type EntryKind = 'object' | 'folder' | 'opaque';

/** `archived`: must be restored before it can be read. `restoring`: asked for, not there yet. */
export type Availability = 'online' | 'archived' | 'restoring';

/**
 * The source identity that Drover wrote into the target object's metadata when it copied it.
 * Present only where a listing carries metadata; it is evidence that the target is still that copy.
 */
export interface RecordedSource {
  readonly etag: string | null;
  readonly versionId: string | null;
  readonly sizeBytes: number;
  readonly modifiedAtMs: number | null;
  /**
   * A digest spoke for the copy before it became visible; `false`: only its size did, as far as was known then.
   * Absent: the mark does not say, as those of earlier versions.
   */
  readonly isProved?: boolean;
}

export interface Entry {
  readonly kind: EntryKind;
  /** The provider's own name, relative to the place, exactly as it came. Folders end with `/`. */
  readonly key: string;
  /** Bytes; 0 for folders and opaque things. */
  readonly sizeBytes: number;
  /** Milliseconds since 1970 as the provider reports it; `null` when it reports none. Never "now" as a guess. */
  readonly modifiedAtMs: number | null;
  readonly identity: Identity;
  /** What the provider knows without reading the content; may be empty. */
  readonly digests: Digests;
  readonly composite: CompositeDigest | null;
  /** The provider's own word (`STANDARD`, `GLACIER`, `Cool`); `null` where there are none. */
  readonly storageClass: string | null;
  readonly availability: Availability;
  readonly recorded: RecordedSource | null;
  /**
   * Folders only: true when the folder exists merely because something is inside it.
   * Such a folder is never an item of a run; a target's one may match an explicit folder of the source.
   */
  readonly isImplied: boolean;
  /** Opaque things only: `symlink`, `fifo`, `socket`, `device`, `delete-marker`, `older-versions`, … */
  readonly nativeType: string | null;
}

/** Fills in what most providers leave at its neutral value. */
export function entryOf(given: Partial<Entry> & { readonly key: string }): Entry {
  return {
    kind: 'object',
    sizeBytes: 0,
    modifiedAtMs: null,
    identity: { etag: null, versionId: null },
    digests: {},
    composite: null,
    storageClass: null,
    availability: 'online',
    recorded: null,
    isImplied: false,
    nativeType: null,
    ...given,
  };
}

/** Header-like properties that travel with the content. Absent = the object has none. */
export interface ContentHeaders {
  readonly contentType?: string;
  readonly contentEncoding?: string;
  readonly contentLanguage?: string;
  readonly contentDisposition?: string;
  readonly cacheControl?: string;
  readonly expires?: string;
  /** Where a website made of the store sends whoever asks for the object. */
  readonly websiteRedirect?: string;
}

/** Everything beside the bytes that a copy should carry. */
export interface Properties {
  readonly headers: ContentHeaders;
  /** User metadata, names lower-case, values decoded to Unicode. */
  readonly metadata: Readonly<Record<string, string>>;
  /** `null`: not fetched (see `tagCount`). */
  readonly tags: Readonly<Record<string, string>> | null;
  /** How many tags the object has; `null` when the answer did not say. */
  readonly tagCount: number | null;
  /** Entries the provider could not send (S3 `x-amz-missing-meta`); they are reported as lost. */
  readonly missingMetadata: number;
  /** What this object has and no copy carries, one sentence each; absent: the answer told of nothing. */
  readonly staysBehind?: readonly string[];
}

export const NO_PROPERTIES: Properties = { headers: {}, metadata: {}, tags: null, tagCount: 0, missingMetadata: 0 };
