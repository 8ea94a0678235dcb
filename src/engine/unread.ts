/**
 * Names of the source that its listing gives and nobody reads: a link that is not followed, a device. What lies below
 * them is not known, so a mirror deletes nothing there. Such a name comes before all that lies below it, but others may
 * stand between the two, for `arch-x` and `arch.txt` come before `arch/`.
 */
import type { Source } from '../contract/provider.ts';
import type { Entry } from '../model/entry.ts';
import type { NameRules } from '../model/names.ts';
import type { Policy } from '../model/policy.ts';
import { joinSettled, putOff, recordOf, settle } from './account.ts';
import { NOTHING_SETTLED, type LaterRow, type Settled } from './chunks.ts';
import type { Planned } from './item.ts';
import { mapKey } from './naming.ts';

const SLASH = 0x2f;

export type UnreadName = Pick<Entry, 'key' | 'nativeType'>;

export function isUnread({ traits }: Pick<Source, 'traits'>, { kind }: Entry): boolean {
  return kind === 'opaque' && traits.unread !== undefined;
}

/** It matters what only the target has. */
export function looksForExtras({ mode, oneWay }: Pick<Policy, 'mode' | 'oneWay'>): boolean {
  return mode === 'mirror' || (mode === 'check' && !oneWay);
}

/** Asked and told in the order of keys, it knows for each whether it lies below a name that was not read. */
export class UnreadNames {
  /** Each begins the next one; all of them begin the key that was last spoken of. */
  #open: UnreadName[] = [];

  see(name: UnreadName): void {
    this.#advance(name.key);
    this.#open.push(name);
  }

  /** The name below which the key lies. */
  above(key: string): UnreadName | null {
    this.#advance(key);
    return this.#open.find((name) => key.startsWith(below(name.key))) ?? null;
  }

  /** Of a name behind which the order has come to a greater character than `/`, nothing lies ahead any more. */
  #advance(key: string): void {
    if (this.#open.length === 0) return;
    this.#open = this.#open.filter((name) => key.startsWith(name.key) && mayComeBelow(key, name.key.length));
  }
}

/** Those before `from` of which something may lie behind it: all of them begin it, so they are few. */
export async function unreadBefore(source: Source, from: string | null, signal: AbortSignal): Promise<UnreadNames> {
  const names = new UnreadNames();
  if (from === null || source.traits.unread === undefined) return names;
  for (let length = 1; length < from.length; length++) {
    if (from.charCodeAt(length) > SLASH) continue;
    const entry = await source.stat(from.slice(0, length), signal);
    if (entry !== null && isUnread(source, entry)) names.see(entry);
  }
  return names;
}

/** A key comes before all that lies below its first `length` characters, or lies there. */
function mayComeBelow(key: string, length: number): boolean {
  return key[length - 1] === '/' || key.length <= length || key.charCodeAt(length) <= SLASH;
}

function below(key: string): string {
  return key.endsWith('/') ? key : `${key}/`;
}

/** For the phase that joins both sides by the name at the target: under and below which names nothing may be deleted. */
export function putOffUnread(entry: Entry, rules: NameRules): Settled {
  const inside = mapKey(below(entry.key), rules, 'folder');
  const itself = mapKey(entry.key, rules);
  const names = itself === entry.key ? [inside] : [itself, inside];
  return joinSettled(names.map((targetKey) => putOff({ reason: 'unread', side: 'source', targetKey, entry })));
}

/** The same, told and asked in the order of (folded) names at the target, where all that lies below follows at once. */
export class UnreadAtTarget {
  #at = '';
  #name: UnreadName | null = null;

  see(at: string, { entry }: LaterRow): void {
    if (this.above(at) !== null) return;
    this.#at = at;
    this.#name = { key: entry.key, nativeType: entry.nativeType };
  }

  above(at: string): UnreadName | null {
    return at === this.#at || (this.#at.endsWith('/') && at.startsWith(this.#at)) ? this.#name : null;
  }
}

/** What was to be deleted, or told as being only at the target, stays and is told as that. */
export function keepingExtra(planned: Planned, target: Entry, name: UnreadName | null): Planned {
  if (name === null || !('settled' in planned)) return planned;
  const { extras, records } = planned.settled;
  if (extras.length === 0 && !records.some(({ result }) => result === 'extra')) return planned;
  // A folder that only exists through its content is no difference.
  if (target.kind === 'folder' && target.isImplied) return { settled: NOTHING_SETTLED };
  const where = name.key === target.key ? 'so what it stands for' : 'so what is below it there';
  const details = `It stays: ${JSON.stringify(name.key)} is a ${name.nativeType ?? 'special entry'} at the source, ${where} was not read.`;
  return { settled: settle(recordOf(target, 'extra', 'source-unread', { details })) };
}
