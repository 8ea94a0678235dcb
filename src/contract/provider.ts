/**
 * What a provider is: code that speaks to one kind of storage. Small, and the same for all of them.
 * `src/conformance` holds a test for every sentence here.
 */
import type { Clock, Log, Random } from '../lib/world.ts';
import type { OpenTransport } from '../lib/transport.ts';
import type { DigestKind, Digests, CompositeDigest } from '../model/digest.ts';
import type { Entry, Identity, Properties, RecordedSource } from '../model/entry.ts';
import type { Json } from '../model/json.ts';
import type { RestorePolicy } from '../model/policy.ts';
import type { NameRules } from '../model/names.ts';
import type { Config, Fields } from './fields.ts';

/** What a provider is, before anyone signs in. Plain data: the API serves it, the docs print it. */
export interface Manifest {
  /** Kebab-case, permanent, stored. */
  readonly id: string;
  readonly title: string;
  readonly summary: string;
  /** What stands first in a place: `bucket`, `container`, `folder`; used in sentences. */
  readonly containerWord: string;
  readonly source: SourceTraits | null;
  readonly target: TargetTraits | null;
}

export interface Traits {
  /** `bytes`: listings come in unsigned UTF-8 byte order (checked at run time). `none`: the engine sorts. */
  readonly order: 'bytes' | 'none';
  /** `key`: a listing can start at any key. `none`: only at the beginning or at a cursor it gave. */
  readonly seek: 'key' | 'none';
  /** Which digests a listing may carry. */
  readonly listedDigests: readonly DigestKind[];
  /** Grid of `modifiedAtMs`; `null`: no times. */
  readonly timePrecisionMs: number | null;
  /** The target keeps the source's modification time as its own (a file system does, an object store does not). */
  readonly keepsSourceTime: boolean;
  readonly carries: {
    readonly headers: boolean;
    readonly metadata: boolean;
    readonly tags: boolean;
    readonly emptyFolders: boolean;
    readonly storageClasses: readonly string[];
    /** Some stores of this kind have others besides. Absent: none has. */
    readonly ownStorageClasses?: boolean;
    /** `ContentHeaders.websiteRedirect`; absent: no. */
    readonly websiteRedirects?: boolean;
  };
}

export interface SourceTraits extends Traits {
  readonly facets: readonly (keyof SourceFacets)[];
  /** What objects may have here that no copy carries, each as it stands in a sentence: `ACLs`. Absent: nothing. */
  readonly staysBehind?: readonly string[];
  /**
   * What listings name and nobody follows, so that more may lie below such an opaque entry than the listing tells, each
   * as it stands in a sentence: `links`. Absent: opaque entries hide nothing.
   */
  readonly unread?: readonly string[];
  /** Versions of one key that are given at most; older ones are one opaque entry. Absent: all. */
  readonly versionsMax?: number;
}

export interface TargetTraits extends Traits {
  readonly facets: readonly (keyof TargetFacets)[];
  readonly names: NameRules;
  /** One atomic write can hold this many bytes. */
  readonly writeBytesMax: number;
  /** Digests the target can prove, best first; what it really honours is observed (`TargetFacts`). */
  readonly provableDigests: readonly DigestKind[];
  /** Digests over the digests of parts that an upload in parts proves (`md5`: ETags as S3 makes them). Absent: none. */
  readonly compositeDigests?: readonly DigestKind[];
  /** Bytes of metadata names + values. */
  readonly metadataBytesMax: number;
  readonly tagsMax: number;
}

/** Everything outside the provider that it may touch. No clock, environment, or network of its own. */
export interface Context {
  readonly openTransport: OpenTransport;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** The process's environment, for standard credential chains. Never logged. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Hands back a changed secret (a refreshed token) for safe keeping. */
  saveAccount(change: Config): Promise<void>;
}

export interface Provider {
  readonly manifest: Manifest;
  /** Described once; form, prompts, environment names, validation, encryption, redaction and docs derive from it. */
  readonly account: Fields;
  /** `config` has passed `parseConfig`. Touches no network. INVALID_INPUT with `field` for what only code can see. */
  open(config: Config, context: Context): Promise<Account>;
  /**
   * Looks around with the sign-in alone, before an account is chosen; absent where a sign-in is one account. `config` has
   * passed `parseConfig`. Touches no network. UNSUPPORTED for ways to sign in that lead to one account only.
   */
  readonly discover?: (config: Config, context: Context) => Promise<Discovery>;
  /**
   * Where credentials would go that are worth more than this one connector: those of the machine, its environment and
   * its files, and tokens that open other accounts too. Only addresses that `config` names and that are not the cloud's
   * own. Absent where all that is ever sent was typed in for that address. Pure.
   */
  readonly credentialsReach?: (config: Config) => readonly { readonly field: string; readonly url: URL }[];
}

export interface Discovery extends AsyncDisposable {
  /** What stands first (`null`: subscriptions), then what is in one of those: the accounts that may be chosen. */
  list(parent: string | null, signal: AbortSignal): AsyncIterable<readonly DiscoveredItem[]>;
}

export interface DiscoveredItem {
  readonly kind: 'subscription' | 'account';
  /** The `parent` of what is in it. */
  readonly id: string;
  readonly name: string;
  readonly region: string | null;
  /** Fields of the connector that choosing it fills in. */
  readonly fills: Config;
}

/**
 * Where within an account. `container` is the bucket, container or root folder; `prefix` is `''` or ends with `/`,
 * taken literally (it may hold `//` or `..`). Keys are relative to it.
 */
export interface Place {
  readonly container: string;
  readonly prefix: string;
}

/**
 * Which objects a place holds, whoever signs in: two keys of one account, another account that was let in, or two names
 * of one folder lead to the same identity. Plain JSON without secrets.
 */
export interface PlaceIdentity {
  /** One line. Containers of one name in one store are one container. */
  readonly store: string;
  /** As the store itself knows it: of a folder, its real path. */
  readonly container: string;
  /** That of the place. */
  readonly prefix: string;
  /** Perhaps each account of this store has containers of its own, also by one name: only a cloud's own is known not to. */
  readonly mayBePerAccount?: true;
  /** Where one folder can have several paths (mounts, capital letters): what the system knows it by. Of this moment. */
  readonly folder?: { readonly itself: string | null; readonly within: readonly string[] };
}

export interface Account extends AsyncDisposable {
  /** Endpoint and account in one stable line without secrets, for ids. Whose place it is `identify` tells. */
  readonly fingerprint: string;
  /** Touches no network; the place need not be there. */
  identify(place: Place): Promise<PlaceIdentity>;
  /** Permission by permission, and who we are. Never throws for a refusal: the report says it. */
  check(place: Place | null, use: Use, signal: AbortSignal, wish?: CheckWish): AsyncIterable<CheckLine>;
  /** Buckets or containers (`''`), then folders: for pickers and `ls`. */
  browse(path: Place | null, signal: AbortSignal): AsyncIterable<BrowsePage>;
  /** The whole address of a place as its users write it; absent: `PROVIDER://CONTAINER/PREFIX`. Touches nothing. */
  readonly address?: (place: Place) => string;
  /** PLACE_NOT_FOUND when the container does not exist. */
  source(place: Place, options: SourceOptions, signal: AbortSignal): Promise<Source>;
  /** `facts`: what an earlier `observe` found, so that it is not asked again. PLACE_NOT_FOUND as above. */
  target(place: Place, options: TargetOptions, signal: AbortSignal): Promise<Target>;
  /**
   * Where this sign-in is the head of several accounts: those that are in use, this one among them. Absent where a
   * sign-in leads to one account only. PERMISSION_DENIED, UNSUPPORTED when it turns out to be head of nothing.
   */
  readonly members?: (signal: AbortSignal) => AsyncIterable<readonly MemberAccount[]>;
  /** Makes the bucket, container or folder. `existed` when it is there already and ours. */
  makeContainer(name: string, signal: AbortSignal): Promise<'made' | 'existed'>;
  /** What to paste where, for exactly this account and these containers; absent where there is nothing to paste. */
  readonly policies?: (request: PolicyRequest) => readonly PolicyText[];
  /** Rights that are roles on a container, given to the identity that signs in here; absent where there are none. */
  readonly roles?: AccountRoles;
}

export interface MemberAccount {
  /** As its owner writes it. */
  readonly id: string;
  readonly name: string;
  /** Fields of the connector that change to sign in there; none for the account that was asked itself. */
  readonly fills: Config;
}

export interface AccountRoles {
  /** Name of the role that this use needs, as the provider calls it: `Storage Blob Data Contributor`. */
  nameFor(use: Use): string;
  /** A shell command that an administrator runs, for exactly this container and identity; placeholders where unknown. */
  command(container: string, use: Use): string;
  /**
   * Assigns it, unless it works already, and waits until it does; absent where Drover cannot. PERMISSION_DENIED when it
   * may not, with the exact command as its remedy; TIMED_OUT when it was assigned and does not work yet.
   */
  assign?(container: string, use: Use, signal: AbortSignal): Promise<void>;
}

export type Use = 'read' | 'write' | 'both';

/**
 * What a job wants of a place beside reading or writing. What it does not want is not tried, or is a warning that says
 * what follows from it. Left out: everything.
 */
export interface CheckWish {
  readonly tags: boolean;
  readonly deletes: boolean;
  /** A folder that nobody has made yet is no fault, though nothing is to be written: there is just nothing in it. */
  readonly mayBeAbsent?: boolean;
}

export interface SourceOptions {
  /** `all`: every version is an item, oldest first inside a key. Only with the `versions` facet. */
  readonly versions: 'current' | 'all';
}

export interface TargetOptions {
  readonly facts: TargetFacts | null;
  /** Names temporary things, so that exactly ours can be found and swept. `[a-z0-9]{8,26}` */
  readonly runId: string;
}

/** One line of a check, streamed as it is known. */
export interface CheckLine {
  readonly what: 'identity' | 'list' | 'read' | 'write' | 'delete' | 'tags' | 'container' | 'network' | 'fact';
  readonly result: 'ok' | 'refused' | 'unknown' | 'warning';
  /** One sentence for people. */
  readonly message: string;
  /** The described field to correct, where one is at fault. */
  readonly field: string | null;
  readonly remedy: string | null;
  /** Who was seen, where the line tells it: whose credentials sign, and as whom Drover acts (they differ with roles). */
  readonly identity?: {
    readonly role: 'signs' | 'acts';
    /** An ARN, a user, an application. */
    readonly name: string;
    /** Of the cloud account, as its owner writes it; `null` where the store has none. */
    readonly accountId: string | null;
  };
}

export interface BrowsePage {
  readonly items: readonly {
    readonly name: string;
    readonly kind: 'container' | 'folder' | 'object';
    readonly entry: Entry | null;
    readonly region?: string;
  }[];
}

export interface PolicyRequest {
  /** `stackset`: the template for the management account, which makes the role in every account of an organization. */
  readonly kind: 'iam' | 'iam-full' | 'trust' | 'cloudformation' | 'stackset' | 'names';
  readonly use: Use;
  /** By name; `*` alone is all that the account has, now and later. */
  readonly containers: readonly string[];
  /** Only what an inventory needs, and no right to what is in the containers. */
  readonly isInventoryOnly?: boolean;
  readonly withTags: boolean;
  readonly withRestore: boolean;
  readonly withVersions: boolean;
  /** CIDR ranges, or VPC endpoint ids, that requests must come from. */
  readonly sourceAddresses: readonly string[];
  readonly vpcEndpoints: readonly string[];
  /** The identity Drover signs with (an ARN), where it is known. */
  readonly trustedPrincipal: string | null;
  readonly externalId: string | null;
  readonly tags: Readonly<Record<string, string>>;
}

export interface PolicyText {
  readonly title: string;
  readonly language: 'json' | 'yaml' | 'text';
  readonly text: string;
}

/**
 * `[from, to)` of keys in byte order; `null` is open. `resume` is a cursor that a page of the same range gave:
 * the listing then continues after that page. Providers with `seek: 'key'` need no cursor.
 */
export interface ScanRange {
  readonly from: string | null;
  readonly to: string | null;
  readonly resume: Json | null;
}

/**
 * A listing ends with a page whose `complete` is true, or with an error. Nothing else is an end:
 * a consumer that sees the iteration stop without `complete` must treat it as LISTING_INCOMPLETE.
 */
export interface Page {
  readonly entries: readonly Entry[];
  /** Resumes after this page. */
  readonly cursor: Json | null;
  readonly complete: boolean;
}

export interface Lister {
  /** Entries of the range, each once. With `order: 'bytes'` in key order. Stopping early releases the connection. */
  scan(range: ScanRange, signal: AbortSignal): AsyncIterable<Page>;
  /** One entry by exact key; `null` when nothing is there: absence is an answer here, not an error. */
  stat(key: string, signal: AbortSignal): Promise<Entry | null>;
  /** Properties, and all digests the provider can give without reading the content. NOT_FOUND, CHANGED. */
  describe(entry: Entry, signal: AbortSignal): Promise<Description>;
}

export interface Description {
  readonly entry: Entry;
  /** `tags` is filled in only by the `tags` facet. */
  readonly properties: Properties;
}

export interface ReadRange {
  /** Bytes from the start. */
  readonly offset: number;
  /** Exactly this many bytes; fewer are EARLY_END, more EXTRA_BYTES. */
  readonly lengthBytes: number;
}

export interface Reading {
  /** The state that is being read, with the digests this answer carried. */
  readonly entry: Entry;
  /** `null` when the answer did not carry them (a range of some stores, a folder). */
  readonly properties: Properties | null;
  /** Exactly the asked bytes. A chunk belongs to whoever received it. Leaving the loop early releases the connection. */
  readonly body: AsyncIterable<Uint8Array>;
}

export interface Source extends Lister, AsyncDisposable {
  readonly traits: SourceTraits;
  readonly facets: SourceFacets;
  /**
   * Reads a range of exactly the state that `entry.identity` names; CHANGED when the object is not in that state
   * any more (also when that is noticed only at the end), NOT_FOUND, ARCHIVED. A ranged answer is accepted only as
   * 206 with the exact Content-Range.
   */
  read(entry: Entry, range: ReadRange, signal: AbortSignal): Promise<Reading>;
}

/** What a source may also be able to do; each is present exactly when the manifest names it. */
export interface SourceFacets {
  /** Reads the tags of one object: one request. */
  readonly tags?: { read(entry: Entry, signal: AbortSignal): Promise<Readonly<Record<string, string>>> };
  /** `SourceOptions.versions: 'all'` works. */
  readonly versions?: { readonly supported: true };
  /** Archived objects can be brought back; `request` is idempotent and costs the owner money. */
  readonly restore?: {
    request(entry: Entry, how: RestorePolicy, signal: AbortSignal): Promise<'requested' | 'restoring' | 'online'>;
    status(entry: Entry, signal: AbortSignal): Promise<'archived' | 'restoring' | 'online'>;
  };
  /** Sizes of the parts an object was uploaded in, from its first part; `null` when the store does not tell. */
  readonly partSizes?: { first(entry: Entry, signal: AbortSignal): Promise<number | null> };
  /** A reference another store, or the same one, can read from by itself. */
  readonly references?: { of(entry: Entry, lifetimeMs: number, signal: AbortSignal): Promise<CopyReference> };
}

/** Who can be told to fetch what. Never stored: a URL is as good as a key while it lives. */
export interface CopyReference {
  /** `fingerprint` of the source's account. */
  readonly account: string;
  readonly container: string;
  /** The full key inside the container. */
  readonly fullKey: string;
  readonly identity: Identity;
  /** Reads the object with a plain GET; `null` when none can be made. */
  readonly url: string | null;
}

export type Expectation =
  | { readonly kind: 'any' }
  /** Create only: CHANGED if anything is there. */
  | { readonly kind: 'absent' }
  /** Replace exactly this state: CHANGED otherwise. */
  | { readonly kind: 'match'; readonly identity: Identity };

export interface WriteOptions {
  readonly properties: Properties;
  /** Known beforehand, of the whole content. The target checks what it can; a mismatch is CORRUPTED and leaves nothing. */
  readonly digests: Digests;
  readonly expect: Expectation;
  /** The source's time: kept by targets that keep times; others record it in metadata with `recorded`. */
  readonly modifiedAtMs: number | null;
  /**
   * Written into the target's metadata where it carries metadata in listings; `null`: not wanted. That a digest speaks for
   * the copy a target may write of its own accord, where it has compared one before anything is visible.
   */
  readonly recorded: RecordedSource | null;
  /** Storage class or tier; `null`: the target's default. */
  readonly storageClass: string | null;
  readonly kind: 'object' | 'folder';
  readonly signal: AbortSignal;
}

export interface WriteBody {
  readonly sizeBytes: number;
  readonly content: Uint8Array | AsyncIterable<Uint8Array>;
}

export interface Written {
  /** What a later `stat` returns, as far as the answer told. */
  readonly entry: Entry;
  /**
   * Digests of the stored content that the *target* proved: it returned them, or is known (TargetFacts) to refuse
   * wrong ones. A value that was merely sent is not here.
   */
  readonly proved: Digests;
  readonly composite: CompositeDigest | null;
  /** What could not be carried (a metadata entry, a tag), one sentence each. */
  readonly losses: readonly string[];
}

export interface Target extends Lister, AsyncDisposable {
  readonly traits: TargetTraits;
  readonly facts: TargetFacts;
  readonly facets: TargetFacets;
  /**
   * Replaces the object atomically: until this resolves readers see the old state or none; if it rejects or the
   * signal fires, nothing new is ever visible. A stream is consumed once; the content must be exactly
   * `body.sizeBytes` (EARLY_END, EXTRA_BYTES). CHANGED when `expect` does not hold. Safe to repeat after a lost
   * answer when the content is in memory.
   */
  write(key: string, body: WriteBody, options: WriteOptions): Promise<Written>;
  /**
   * Fails where nothing at all could be written (a read-only folder, a file in the place of a folder), so that a run
   * ends at once and in one sentence, not item by item. Absent where only trying tells.
   */
  ready?(signal: AbortSignal): Promise<void>;
  /**
   * Finds out what the store really honours (see TargetFacts) with small objects of its own under
   * `.drover-probe-…`, and removes them. Needs write and delete. What `probing.seen` fails with it fails with, and
   * removes them all the same.
   */
  observe?(signal: AbortSignal, probing?: Probing): Promise<TargetFacts>;
  /**
   * Removes temporary things of this run (`TargetOptions.runId`) that a killed process left in the place, and says how
   * many. `keepUploads`: uploads in parts stay, because they will be continued. Absent where nothing can be left.
   */
  sweep?(options: { readonly keepUploads: boolean }, signal: AbortSignal): Promise<number>;
}

export interface TargetFacets {
  readonly parts?: Parts;
  readonly removal?: {
    /** Removes the object if it is still in that state (CHANGED otherwise). Already gone is fine. A folder only if empty. */
    remove(entry: Entry, signal: AbortSignal): Promise<'removed' | 'absent' | 'kept'>;
  };
  /** Replaces metadata, headers and tags without the content. */
  readonly properties?: { replace(entry: Entry, properties: Properties, signal: AbortSignal): Promise<Entry> };
  readonly tags?: { read(entry: Entry, signal: AbortSignal): Promise<Readonly<Record<string, string>>> };
  readonly serverSideCopy?: ServerSideCopy;
}

/** Uploads in parts that survive the loss of this process. `Upload` is the provider's own state, stored as JSON. */
export interface Parts {
  readonly limits: PartLimits;
  /** Begins an upload. After a lost answer the caller finds it with `find`. */
  begin(key: string, sizeBytes: number, partBytes: number, options: WriteOptions): Promise<Upload>;
  /**
   * Own uploads of exactly this key begun at or after `sinceMs` (less 15 minutes for clock skew) and named by this run;
   * never foreign ones. What may be either is marked: left out, it would be taken for one that does not exist.
   * `by`: what `initiator` said to whoever may have begun it.
   */
  find(key: string, sinceMs: number, signal: AbortSignal, by?: Json): Promise<readonly FoundUpload[]>;
  /** As whom this process begins uploads. Left out where every worker of the connector is the same to the store. */
  initiator?(signal: AbortSignal): Promise<Json>;
  /** Part `index` (from 0) of the plan. Repeating one replaces it. UPLOAD_LOST when the upload is gone. */
  put(upload: Upload, index: number, body: WriteBody, digests: Digests, signal: AbortSignal): Promise<PartReceipt>;
  /** Parts that arrived, by index. UPLOAD_LOST when the upload is gone. */
  list(upload: Upload, signal: AbortSignal): Promise<readonly PartReceipt[]>;
  /**
   * Makes the object of these parts visible, atomically and under `options.expect`. After a lost answer, repeating
   * it finds out by itself whether the first try succeeded (UPLOAD_LOST only if it did not).
   */
  complete(upload: Upload, receipts: readonly PartReceipt[], options: WriteOptions): Promise<Written>;
  /** Idempotent: aborting what is already gone succeeds. */
  abort(upload: Upload, signal: AbortSignal): Promise<void>;
}

export interface PartLimits {
  readonly partBytesMin: number;
  readonly partBytesMax: number;
  readonly partsMax: number;
  readonly objectBytesMax: number;
  /** `false`: the store does not tell who began an upload, so `find` may name what others began shortly before. */
  readonly tellsInitiator?: boolean;
  /** Every part but the last must be of the same size. */
  readonly equalParts: boolean;
}

export interface Upload {
  readonly key: string;
  readonly startedAtMs: number;
  readonly token: Json;
}

export interface FoundUpload extends Upload {
  /** It may be somebody else's: nobody can tell who began it. */
  readonly isUnsure?: true;
}

export interface PartReceipt {
  readonly index: number;
  readonly sizeBytes: number;
  /** What `complete` needs to name the part. */
  readonly token: Json;
  /** Digests of this part that the target proved. */
  readonly proved: Digests;
}

export interface ServerSideCopy {
  /** Whether the target can fetch it by itself. `probe`: maybe; try one and fall back when refused. */
  accepts(reference: CopyReference): 'yes' | 'probe' | 'no';
  readonly copyBytesMax: number;
  /** One call; the result's identity and size fit the reference or it is CHANGED and nothing is left. UNSUPPORTED: fall back to relay. */
  copy(reference: CopyReference, key: string, sizeBytes: number, options: WriteOptions): Promise<Written>;
  /** Part `index` of an upload from a range of the reference. */
  copyPart(
    upload: Upload,
    index: number,
    reference: CopyReference,
    range: ReadRange,
    signal: AbortSignal,
  ): Promise<PartReceipt>;
}

/** What a store was seen to honour. `unknown` where it was not tried. Kept with the endpoint and fed to `negotiate`. */
export interface TargetFacts {
  readonly observedAtMs: number | null;
  readonly createOnly: Honour;
  readonly matchOnWrite: Honour;
  readonly matchOnComplete: Honour;
  readonly matchOnDelete: Honour;
  /** How an ETag must stand in `If-Match`. */
  readonly etagQuotes: 'quoted' | 'unquoted';
  readonly contentMd5: Honour;
  /** Whether a wrong value is refused. */
  readonly checksums: { readonly [K in DigestKind]?: Honour };
  /** Digests that come back in the answer to a write, computed by the store. */
  readonly returned: readonly DigestKind[];
  readonly partNumberReads: Honour;
  /** Tags given when an upload in parts begins are kept. */
  readonly tagsOnBegin: Honour;
  /** Whether a wrong size, told when an upload in parts is completed, is refused; omitted where it was not tried. */
  readonly sizeOnComplete?: Honour;
  /** What is written over or deleted stays there as a version; omitted where that was not seen. */
  readonly keepsVersions?: boolean;
  /** Whether ETags are made of the content's MD5; omitted where the store has no such ETags or it was not seen. */
  readonly etagIsMd5?: boolean;
}

/** Looks on while `observe` has something in the place. */
export interface Probing {
  /** Folder of the place to do it in; `''` or ends with `/`. */
  readonly below: string;
  /** Called once, with the key of an object that is there until this has answered. */
  seen(key: string): Promise<void>;
}

export type Honour = 'honoured' | 'ignored' | 'refused' | 'unknown';

/** Identity at run time; keeps literal types at compile time. */
export function defineProvider<const P extends Provider>(provider: P): P {
  return provider;
}
