/** Names of transfers: the same places, command and options give the same id, on every machine and in every release. */
import { createHash } from 'node:crypto';
import type { Json } from '../model/json.ts';
import { MIRROR_DELETE_SHARE_MAX, type Policy } from '../model/policy.ts';
import type { EndDefinition } from './definition.ts';

/** What tells one side from another. The connector's name is not part of it: it may be renamed. */
export type EndIdentity = Pick<EndDefinition, 'provider' | 'fingerprint' | 'place' | 'only'>;

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567';
const ID_CHARACTERS = 26;

/**
 * Two calls that must continue each other's run have the same id; two that must not, because one was frozen with
 * other options, have different ones. Tuning is not in the policy and so never part of it.
 */
export function transferIdOf(transfer: {
  readonly command: string;
  readonly source: EndIdentity;
  readonly target: EndIdentity;
  readonly policy: Policy;
}): string {
  const { command, source, target, policy } = transfer;
  return hashOf({ command, source: endOf(source), target: endOf(target), policy: policyOf(policy) });
}

/** The same for both places alone. */
export function pairIdOf(source: EndIdentity, target: EndIdentity): string {
  return hashOf({ source: endOf(source), target: endOf(target) });
}

function endOf({ provider, fingerprint, place, only }: EndIdentity): Json {
  return { provider, fingerprint, container: place.container, prefix: place.prefix, only };
}

/** The order in which patterns and classes were given does not matter. */
function policyOf(policy: Policy): Json {
  // Added after ids were first made: while they say nothing they are left out, so that those ids stay what they were.
  const { modifiedBeforeMs, modifiedAfterMs, ...filter } = policy.filter;
  const sorted = {
    ...filter,
    modifiedBeforeMs: modifiedBeforeMs ?? undefined,
    modifiedAfterMs: modifiedAfterMs ?? undefined,
    include: uniqueSorted(filter.include),
    exclude: uniqueSorted(filter.exclude),
    excludeClasses: uniqueSorted(filter.excludeClasses),
  };
  const { verify, deleteShareMax, ...others } = policy;
  const added = { verify: verify === 'read-back' ? verify : undefined, deleteShareMax: shareOf(deleteShareMax) };
  return { ...others, ...added, filter: sorted } as unknown as Json;
}

/** What nobody chose was once written as the number it stands for; who chose that very number means another transfer. */
function shareOf(share: Policy['deleteShareMax']): Json {
  if (share === 'default') return MIRROR_DELETE_SHARE_MAX;
  return share === MIRROR_DELETE_SHARE_MAX ? `chosen ${share}` : share;
}

function uniqueSorted(texts: readonly string[]): readonly string[] {
  return [...new Set(texts)].toSorted();
}

function hashOf(value: Json): string {
  const digest = createHash('sha256').update(canonicalJson(value)).digest();
  let id = '';
  let bits = 0;
  let held = 0;
  for (const byte of digest) {
    held = (held << 8) | byte;
    bits += 8;
    for (; bits >= 5 && id.length < ID_CHARACTERS; bits -= 5) id += ALPHABET[(held >> (bits - 5)) & 31];
    held &= (1 << bits) - 1;
    if (id.length === ID_CHARACTERS) break;
  }
  return id;
}

/** Members in the order of their names, nothing undefined. */
export function canonicalJson(value: Json): string {
  if (Array.isArray(value)) return `[${value.map((item: Json) => canonicalJson(item)).join(',')}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, member]) => `${JSON.stringify(name)}:${canonicalJson(member as Json)}`);
  return `{${members.join(',')}}`;
}
