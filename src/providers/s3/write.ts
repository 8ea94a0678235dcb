/** One object in one request. */
import type { Honour, TargetFacts, WriteBody, WriteOptions, Written } from '../../contract/provider.ts';
import { digestOf } from '../../lib/hash.ts';
import { hexToBase64 } from '../../lib/encode.ts';
import { DroverError } from '../../model/errors.ts';
import { entryOf } from '../../model/entry.ts';
import type { Entry } from '../../model/entry.ts';
import type { DigestKind, Digests } from '../../model/digest.ts';
import { keyLengthBytes } from '../../model/key.ts';
import { conditionHeaders } from './conditions.ts';
import { encryptionOfWrite } from './encryption.ts';
import {
  checksumHeader,
  compositeOfEtag,
  digestsOfEtag,
  digestsOfHeaders,
  hasCollidingNames,
  headersOfProperties,
  isEncryptedApart,
  plainEtag,
} from './headers.ts';
import type { Headers } from './headers.ts';
import { changed } from './objects.ts';
import type { Objects } from './objects.ts';

/** What a target keeps while it is open. */
export interface TargetState {
  readonly objects: Objects;
  facts: TargetFacts;
  /** Writes whose answer was lost, by full key: a repetition recognises its own work by this. */
  readonly unsure: Map<string, { readonly md5: string; readonly sizeBytes: number }>;
  /** Bytes that uploads were begun for, by upload id; only of those begun by this process. */
  readonly begun: Map<string, number>;
  /** The bucket takes nothing without a digest in front of it, as those do that lock their objects. */
  wantsMd5?: boolean;
  /** The store was seen to refuse a digest of the whole when an upload in parts is completed. */
  refusesWholeDigest?: boolean;
}

const UNSURE_MAX = 10_000;
export const WRITE_BYTES_MAX = 5 * 1024 ** 3;

/** Kinds in the order of preference; S3 takes one checksum per request. MD5 goes by its own header. */
const CHECKSUM_ORDER: readonly DigestKind[] = [
  'sha512',
  'sha256',
  'crc64nvme',
  'crc32c',
  'crc32',
  'sha1',
  'xxhash128',
  'xxhash3',
  'xxhash64',
];

/** Refuses what no S3 can hold, before anything is sent. */
export function checkKey(objects: Objects, key: string): void {
  const fullKey = objects.fullKey(key);
  const lengthBytes = keyLengthBytes(fullKey);
  if (fullKey === '') {
    throw new DroverError('UNREPRESENTABLE', 'An object of a bucket cannot have an empty name.', { key });
  }
  if (lengthBytes > 1024) {
    const message = `"${key}" would be ${lengthBytes} bytes long in the bucket; S3 holds names of 1,024 bytes.`;
    throw new DroverError('UNREPRESENTABLE', message, { key });
  }
  if (!fullKey.isWellFormed()) {
    throw new DroverError('UNREPRESENTABLE', `"${key}" is not valid UTF-8, which S3 demands.`, { key });
  }
  if (fullKey.includes('\u0000')) {
    throw new DroverError('UNREPRESENTABLE', `"${key}" holds a zero character, which S3 refuses.`, { key });
  }
}

/** Everything but content, condition and digests that a new object is created with. */
export function creationHeaders(state: TargetState, options: WriteOptions) {
  const { client } = state.objects;
  const { headers, losses } = headersOfProperties(options.properties, client.metadataNames);
  const storageClass = options.storageClass ?? client.settings.storageClass;
  if (storageClass !== null) headers['x-amz-storage-class'] = storageClass;
  Object.assign(headers, encryptionOfWrite(client.settings));
  return { headers, losses };
}

export async function write(
  state: TargetState,
  key: string,
  given: WriteBody,
  options: WriteOptions,
): Promise<Written> {
  const { objects } = state;
  const body = mustGather(state, given, options.digests) ? { ...given, content: await inMemory(given, key) } : given;
  checkKey(objects, key);
  if (body.sizeBytes > WRITE_BYTES_MAX) {
    const message = `"${key}" has ${body.sizeBytes} bytes; S3 takes 5 GiB in one request.`;
    throw new DroverError('TOO_LARGE', message, { key });
  }
  const digests = knownDigests(body, options.digests);
  const { headers, losses } = creationHeaders(state, options);
  Object.assign(headers, digestHeaders(digests, state.facts));
  const fullKey = objects.fullKey(key);
  try {
    const judged = { absent: state.facts.createOnly, match: state.facts.matchOnWrite };
    const conditions = await conditionHeaders(objects, key, options.expect, judged, state.facts, options.signal);
    const answer = await objects.client.run({
      method: 'PUT',
      ...objects.on(key),
      headers: { ...headers, ...conditions },
      body,
      operation: 'PUT',
      signal: options.signal,
    });
    state.unsure.delete(fullKey);
    const found = await learnedLosses(state, key, options, losses);
    return written(state, key, body.sizeBytes, answer.headers, digests, found);
  } catch (thrown) {
    return await afterFailure(state, key, body, options, digests, losses, thrown);
  }
}

/** For content in memory an MD5 costs little and lets the store prove it; streams bring theirs or have none. */
function knownDigests(body: WriteBody, given: Digests): Digests {
  if (given.md5 !== undefined || !(body.content instanceof Uint8Array)) return given;
  return { ...given, md5: digestOf('md5', body.content) };
}

function digestHeaders(digests: Digests, facts: TargetFacts): Record<string, string> {
  const headers: Record<string, string> = {};
  if (digests.md5 !== undefined && facts.contentMd5 !== 'refused') headers['content-md5'] = hexToBase64(digests.md5);
  const kind = bestChecksum(digests, facts);
  if (kind !== null) {
    const [name, value] = checksumHeader(kind, digests[kind] as string);
    headers[name] = value;
  }
  return headers;
}

/** The best one that the store is known to check; without such knowledge, one that it has not refused yet. */
function bestChecksum(digests: Digests, facts: TargetFacts): DigestKind | null {
  const first = (honour: Honour) =>
    CHECKSUM_ORDER.find((kind) => digests[kind] !== undefined && facts.checksums[kind] === honour) ?? null;
  return first('honoured') ?? first('unknown');
}

/** Checks and collects what the store proved about the stored content. CORRUPTED when it stored something else. */
export function provedBy(state: TargetState, key: string, headers: Headers, sent: Digests): Digests {
  const { facts } = state;
  state.objects.watch(headers);
  const proved: { [K in DigestKind]?: string } = {};
  const returned = digestsOfHeaders(headers, true);
  for (const [kind, value] of Object.entries(returned) as [DigestKind, string][]) {
    // A store that takes any value may also repeat any value.
    if (facts.checksums[kind] === 'ignored') continue;
    if (sent[kind] !== undefined && sent[kind] !== value) throw corrupted(key, kind);
    proved[kind] = value;
  }
  const checked = bestChecksum(sent, facts);
  if (checked !== null && facts.checksums[checked] === 'honoured') proved[checked] = sent[checked] as string;
  const etag = plainEtag(headers['etag']);
  const ofEtag = digestsOfEtag(etag, isEncryptedApart(headers)).md5;
  if (sent.md5 !== undefined && (facts.contentMd5 === 'honoured' || ofEtag === sent.md5)) proved.md5 = sent.md5;
  else if (sent.md5 === undefined && ofEtag !== undefined) proved.md5 = ofEtag;
  return proved;
}

export function corrupted(key: string, kind: string): DroverError {
  return new DroverError('CORRUPTED', `"${key}": the store holds content with another ${kind} than what was sent.`, {
    key,
  });
}

function written(
  state: TargetState,
  key: string,
  sizeBytes: number,
  headers: Headers,
  sent: Digests,
  losses: readonly string[],
): Written {
  const proved = provedBy(state, key, headers, sent);
  return { entry: writtenEntry(key, sizeBytes, headers, proved), proved, composite: null, losses };
}

export function writtenEntry(key: string, sizeBytes: number, headers: Headers, proved: Digests): Entry {
  const etag = plainEtag(headers['etag']);
  return entryOf({
    kind: key.endsWith('/') && sizeBytes === 0 ? 'folder' : 'object',
    key,
    sizeBytes,
    identity: { etag, versionId: null },
    digests: proved,
    composite: compositeOfEtag(etag, isEncryptedApart(headers)),
    storageClass: headers['x-amz-storage-class'] ?? null,
  });
}

const MAYBE_DONE = new Set(['UNAVAILABLE', 'TIMED_OUT', 'UNREACHABLE']);

/**
 * A repetition after a lost answer meets its own object; names that the store mixes up are remembered. Everything
 * else is thrown on.
 */
async function afterFailure(
  state: TargetState,
  key: string,
  body: WriteBody,
  options: WriteOptions,
  digests: Digests,
  losses: readonly string[],
  thrown: unknown,
): Promise<Written> {
  if (!(thrown instanceof DroverError)) throw thrown;
  const { objects, unsure } = state;
  const fullKey = objects.fullKey(key);
  if (MAYBE_DONE.has(thrown.code) && digests.md5 !== undefined) {
    if (unsure.size >= UNSURE_MAX) unsure.clear();
    unsure.set(fullKey, { md5: digests.md5, sizeBytes: body.sizeBytes });
  }
  const own = unsure.get(fullKey);
  if (thrown.code === 'CHANGED' && own !== undefined && own.md5 === digests.md5) {
    const head = await objects.head(key, [], options.signal);
    if (head !== null && plainEtag(head.headers['etag']) === own.md5) {
      unsure.delete(fullKey);
      return written(state, key, body.sizeBytes, head.headers, digests, losses);
    }
  }
  if (options.expect.kind === 'match' && thrown.code === 'NOT_FOUND') throw changed(key);
  if (wantsDigest(thrown, state, digests)) throw sendAgain(key);
  if (refusesChecksum(thrown, state, digests)) {
    if (body.content instanceof Uint8Array) return write(state, key, body, options);
    throw new DroverError('UNAVAILABLE', `"${key}": the store takes no such checksum; it is sent without.`, { key });
  }
  if (isNameMixUp(thrown, state, options)) {
    objects.client.metadataNames = 'folded';
    if (body.content instanceof Uint8Array) return write(state, key, body, options);
    throw new DroverError('UNAVAILABLE', `"${key}": two metadata names are one to this store; one is left out.`, {
      key,
    });
  }
  throw thrown;
}

/** The algorithm's value stands in a header, before the content: a stream has to be gathered first. */
export async function inMemory(body: WriteBody, key: string): Promise<Uint8Array> {
  if (body.content instanceof Uint8Array) return body.content;
  const whole = new Uint8Array(body.sizeBytes);
  let at = 0;
  for await (const chunk of body.content) {
    if (at + chunk.length > whole.length) {
      throw new DroverError('EXTRA_BYTES', `"${key}": a part has more than its ${body.sizeBytes} bytes.`, { key });
    }
    whole.set(chunk, at);
    at += chunk.length;
  }
  if (at < whole.length) {
    throw new DroverError('EARLY_END', `"${key}": a part ended ${whole.length - at} bytes early.`, { key });
  }
  return whole;
}

/** Larger streams are not held in memory for the sake of a digest. */
const GATHER_BYTES_MAX = 64 * 1024 * 1024;

export function mustGather(state: TargetState, body: WriteBody, digests: Digests): boolean {
  const isStream = !(body.content instanceof Uint8Array);
  return state.wantsMd5 === true && isStream && digests.md5 === undefined && body.sizeBytes <= GATHER_BYTES_MAX;
}

/** Whether it was refused for want of a digest; from then on every write and every part brings its MD5. */
export function wantsDigest(thrown: unknown, state: TargetState, sent: Digests): boolean {
  if (!(thrown instanceof DroverError) || sent.md5 !== undefined) return false;
  if (thrown.details?.['code'] !== 'InvalidRequest' || !/Content-MD5/i.test(thrown.message)) return false;
  state.wantsMd5 = true;
  return true;
}

export function sendAgain(key: string): DroverError {
  return new DroverError('UNAVAILABLE', `"${key}": the bucket wants an MD5 along with the content; it is sent again.`, {
    key,
  });
}

/**
 * The first object with `_` in a metadata name is looked at again, to learn whether the store keeps such names. That
 * costs one request per account, and only at stores that are not known.
 */
export async function learnedLosses(
  state: TargetState,
  key: string,
  options: WriteOptions,
  losses: readonly string[],
): Promise<readonly string[]> {
  const { client } = state.objects;
  const name = Object.keys(options.properties.metadata).find((each) => each.includes('_'));
  if (client.metadataNames !== 'unknown' || name === undefined) return losses;
  const head = await state.objects.head(key, [], options.signal);
  const wire = `x-amz-meta-${name.toLowerCase()}`;
  if (head === null || head.headers[wire] !== undefined) {
    if (head !== null) client.metadataNames = 'kept';
    return losses;
  }
  client.metadataNames = 'folded';
  return headersOfProperties(options.properties, 'folded').losses;
}

/** A store that does not know the header of a checksum is not sent it again. */
function refusesChecksum(thrown: DroverError, state: TargetState, digests: Digests): boolean {
  const kind = bestChecksum(digests, state.facts);
  if (kind === null || state.facts.checksums[kind] !== 'unknown') return false;
  const code = String(thrown.details?.['code'] ?? '');
  if (!/^(NotImplemented|InvalidRequest|InvalidArgument|Status400|Status501)$/.test(code)) return false;
  state.facts = { ...state.facts, checksums: { ...state.facts.checksums, [kind]: 'refused' } };
  return true;
}

/** Some stores build environment names of headers: `a-b` and `a_b` become one, and the signature does not fit. */
export function isNameMixUp(thrown: DroverError, state: TargetState, options: WriteOptions): boolean {
  const isRefused = thrown.code === 'UNAUTHENTICATED' || thrown.code === 'PERMISSION_DENIED';
  const { client } = state.objects;
  return isRefused && client.metadataNames === 'unknown' && hasCollidingNames(options.properties.metadata);
}
