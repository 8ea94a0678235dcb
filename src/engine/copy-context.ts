/** What every way of copying one object shares: its context, its properties, and how a finished write is judged. */
import type { Expectation, Source, Target, WriteOptions, Written } from '../contract/provider.ts';
import type { RetryOptions } from '../lib/retry.ts';
import type { CompositeDigest, Digests } from '../model/digest.ts';
import type { ContentHeaders, Entry, Properties } from '../model/entry.ts';
import { DroverError, toDroverError } from '../model/errors.ts';
import type { VerificationClass } from '../model/outcome.ts';
import type { Policy } from '../model/policy.ts';
import type { RunWorld } from './world.ts';
import type { Gate } from './lanes.ts';
import type { UploadBook } from './uploads.ts';
import { withReadBack } from './read-back.ts';
import { verify } from './verification.ts';

/** What every copy of a run shares. */
export interface CopyContext {
  readonly source: Source;
  readonly target: Target;
  /** The target's place, opened for reading; only where the policy wants what was written to be read back. */
  readonly readBack?: Source | null;
  readonly policy: Policy;
  readonly world: RunWorld;
  readonly uploads: UploadBook;
  /** Parts in flight, over all large objects. */
  readonly partGate: Gate;
  /** Waits for memory; returns how to give it back. */
  readonly memory: (bytes: number, signal: AbortSignal) => Promise<() => void>;
  /** Waits for bandwidth; `null` = no rule. */
  readonly bandwidth: ((bytes: number, signal: AbortSignal) => Promise<void>) | null;
  readonly onBytes: (key: string, bytes: number) => void;
  /** Told what of an item could not even be read, beside what the target could not hold. Set anew for each try. */
  readonly onLoss?: (what: string) => void;
  /** Told what was written and turned out not to be what it should be; taking it away again may fail. */
  readonly onRefuted?: (written: Entry) => void;
  /** Whether the target can fetch from this source by itself; learned on the way, by one try that the others wait for. */
  readonly serverSide: ServerSideState;
}

export interface ServerSideState {
  state: 'unknown' | 'works' | 'refused';
  /** The try in progress. */
  probing: Promise<unknown> | null;
}

export interface CopyOrder {
  readonly entry: Entry;
  readonly targetKey: string;
  readonly expect: Expectation;
}

export interface Copied {
  /** The state of the source that was copied. */
  readonly source: Entry;
  readonly target: Entry;
  readonly class: VerificationClass;
  readonly leg: 'target' | null;
  readonly attempts: number;
  readonly losses: readonly string[];
}

/** What `retrying` needs to know of this run. */
export function retryWorldOf({
  world: { clock, random, onRetry },
}: Pick<CopyContext, 'world'>): Pick<RetryOptions, 'clock' | 'random' | 'onRetry'> {
  return { clock, random, ...(onRetry !== undefined && { onRetry }) };
}

/** What one try found out; `copyItem` adds the number of tries. */
export type Attempt = Omit<Copied, 'attempts'>;

export interface Proof {
  readonly source: Entry;
  readonly computed: Digests;
  readonly computedComposite?: CompositeDigest | null;
  /** Written with the source's own part boundaries. */
  readonly sameParts?: boolean;
  readonly countedBytes: number;
  readonly written: Written;
}

/** Judges a finished write. A contradiction removes what was written, then fails with CORRUPTED. */
export async function proved(context: CopyContext, proof: Proof, signal: AbortSignal): Promise<Attempt> {
  const attempt = await judged(context, proof, signal);
  const judgedAgain = await withReadBack(context, proof, {
    retry: retryWorldOf(context),
    take: takeOf(context, signal),
    signal,
  });
  if (judgedAgain === proof) return attempt;
  // The state of the source that is handed on is as it was: what was only computed here is not its own word.
  return { ...(await judged(context, judgedAgain, signal)), source: attempt.source };
}

async function judged(context: CopyContext, proof: Proof, signal: AbortSignal): Promise<Attempt> {
  const { source, computed, countedBytes, written } = proof;
  const verdict = verify({
    sizeBytes: source.sizeBytes,
    sourceDigests: source.digests,
    sourceComposite: source.composite,
    computed,
    computedComposite: proof.computedComposite ?? null,
    sameParts: proof.sameParts ?? false,
    proved: written.proved,
    provedComposite: written.composite,
    committedSizeBytes: written.entry.sizeBytes,
    countedBytes,
  });
  if ('mismatch' in verdict) {
    context.onRefuted?.(written.entry);
    await context.target.facets.removal?.remove(written.entry, signal).catch(() => undefined);
    throw new DroverError('CORRUPTED', `${JSON.stringify(source.key)}: ${verdict.mismatch}`, { key: source.key });
  }
  return { source, target: written.entry, class: verdict.class, leg: verdict.leg, losses: written.losses };
}

/** What is known of a copy that is complete and not yet visible. */
export type Foreseen = Omit<Proof, 'written'> &
  Pick<Written, 'proved'> & { readonly provedComposite?: CompositeDigest | null };

/** Whether a digest speaks for it already. CORRUPTED where one speaks against it: then it never becomes visible. */
export function isProvedBefore({ source, countedBytes, proved: kept, ...known }: Foreseen): boolean {
  const verdict = verify({
    sizeBytes: source.sizeBytes,
    sourceDigests: source.digests,
    sourceComposite: source.composite,
    computed: known.computed,
    computedComposite: known.computedComposite ?? null,
    sameParts: known.sameParts ?? false,
    proved: kept,
    provedComposite: known.provedComposite ?? null,
    committedSizeBytes: countedBytes,
    countedBytes,
  });
  if (!('mismatch' in verdict)) return verdict.class !== 'V0';
  throw new DroverError('CORRUPTED', `${JSON.stringify(source.key)}: ${verdict.mismatch}`, { key: source.key });
}

/** The same, leaving a mark that says so. */
export function markedAs(isProved: boolean, options: WriteOptions): WriteOptions {
  const { recorded } = options;
  return recorded === null ? options : { ...options, recorded: { ...recorded, isProved } };
}

/** What should go along with the bytes, by policy and by what the target can carry; tags cost a request if there are some. */
export async function propertiesFor(
  context: CopyContext,
  entry: Entry,
  given: Properties | null,
  signal: AbortSignal,
): Promise<Properties> {
  const { policy, source, target } = context;
  const known = given ?? (await source.describe(entry, signal)).properties;
  const carries = target.traits.carries;
  const wantsTags = policy.tags === 'preserve' && carries.tags && source.facets.tags !== undefined;
  const tags =
    wantsTags && known.tags === null && known.tagCount !== 0 ? await readTags(context, entry, signal) : known.tags;
  for (const sentence of known.staysBehind ?? []) context.onLoss?.(sentence);
  return {
    headers: carries.headers ? headersFor(context, known.headers) : {},
    metadata: policy.metadata === 'ignore' || !carries.metadata ? {} : known.metadata,
    tags: policy.tags === 'preserve' && carries.tags ? tags : null,
    tagCount: known.tagCount,
    missingMetadata: known.missingMetadata,
  };
}

/** Hardly any store knows website redirects, so what does not arrive is said here for all of them. */
function headersFor({ target, onLoss }: CopyContext, headers: ContentHeaders): ContentHeaders {
  const { websiteRedirect, ...others } = headers;
  if (websiteRedirect === undefined || target.traits.carries.websiteRedirects === true) return headers;
  onLoss?.(`The website redirect to "${websiteRedirect}" was left out: the target has none.`);
  return others;
}

async function readTags(context: CopyContext, entry: Entry, signal: AbortSignal): Promise<Properties['tags']> {
  try {
    return (await context.source.facets.tags?.read(entry, signal)) ?? null;
  } catch (error) {
    // Tags have a permission of their own; lacking it costs the tags, not the object.
    if (toDroverError(error).code !== 'PERMISSION_DENIED') throw error;
    context.onLoss?.('The tags were left out: the source does not allow them to be read.');
    return null;
  }
}

/** Its mark says that nothing but the size speaks for the copy, until more is known: see `markedAs`. */
export function writeOptions(
  order: CopyOrder,
  properties: Properties,
  digests: Digests,
  context: CopyContext,
  signal: AbortSignal,
): WriteOptions {
  const { entry } = order;
  return {
    properties,
    digests,
    expect: order.expect,
    modifiedAtMs: entry.modifiedAtMs,
    recorded: {
      etag: entry.identity.etag,
      versionId: entry.identity.versionId,
      sizeBytes: entry.sizeBytes,
      modifiedAtMs: entry.modifiedAtMs,
      isProved: false,
    },
    storageClass: context.policy.storageClass,
    kind: entry.kind === 'folder' ? 'folder' : 'object',
    signal,
  };
}

export function takeOf(context: CopyContext, signal: AbortSignal): ((bytes: number) => Promise<void>) | null {
  const { bandwidth } = context;
  return bandwidth === null ? null : (bytes) => bandwidth(bytes, signal);
}
