/** Counts failed attempts, so that guessing takes too long. Kept in memory, of bounded size. */
import { isIPv6 } from 'node:net';
import type { Clock } from '../../lib/world.ts';
import { DroverError } from '../../model/errors.ts';

const KEYS_MAX = 20_000;

export interface Attempts {
  /** Counts one; RATE_LIMITED, with how long to wait, when there were too many. */
  begin(keys: readonly AttemptKey[]): void;
  /** It was right: it does not count, and where it `clears`, neither does what failed before. */
  succeed(keys: readonly AttemptKey[]): void;
}

export interface AttemptKey {
  readonly key: string;
  readonly max: number;
  /** A success forgets earlier failures. Not for what a guesser with an account of their own could so wipe out. */
  readonly clears: boolean;
}

export function openAttempts(clock: Clock, windowMs: number): Attempts {
  const byKey = new Map<string, number[]>();

  function recent(key: string): number[] {
    const since = clock.monotonic() - windowMs;
    return (byKey.get(key) ?? []).filter((at) => at > since);
  }

  function forgetSome(): void {
    for (const key of byKey.keys()) if (recent(key).length === 0) byKey.delete(key);
    // The oldest go first: a map keeps the order in which its keys came.
    for (const key of byKey.keys()) {
      if (byKey.size < KEYS_MAX) return;
      byKey.delete(key);
    }
  }

  return {
    begin(keys) {
      for (const { key, max } of keys) {
        const times = recent(key);
        const [oldest] = times.slice(-max);
        if (times.length < max || oldest === undefined) continue;
        const retryAfterMs = Math.max(1_000, Math.ceil(oldest + windowMs - clock.monotonic()));
        const minutes = Math.ceil(retryAfterMs / 60_000);
        throw new DroverError(
          'RATE_LIMITED',
          `Too many attempts failed. Try again in ${minutes === 1 ? 'one minute' : `${minutes} minutes`}.`,
          { retryAfterMs },
        );
      }
      if (byKey.size >= KEYS_MAX) forgetSome();
      for (const { key } of keys) byKey.set(key, [...recent(key), clock.monotonic()]);
    },
    succeed(keys) {
      for (const { key, clears } of keys) {
        const rest = clears ? [] : recent(key).slice(0, -1);
        if (rest.length === 0) byKey.delete(key);
        else byKey.set(key, rest);
      }
    },
  };
}

const NETWORK_GROUPS = 4;

/** An IPv6 address stands for its /64: whoever has one address of it has all. Others are as they are. */
export function networkOf(address: string): string {
  const bare = address.replace(/%.*$/, '').replace(/^::ffff:(?=\d+\.)/i, '');
  if (!isIPv6(bare)) return bare;
  const [head = '', tail] = bare.toLowerCase().split('::');
  const first = head === '' ? [] : head.split(':');
  const last = tail === undefined || tail === '' ? [] : tail.split(':');
  const groups = [...first, ...Array<string>(Math.max(0, 8 - first.length - last.length)).fill('0'), ...last];
  const network = groups.slice(0, NETWORK_GROUPS).map((group) => Number.parseInt(group, 16).toString(16));
  return `${network.join(':')}::/${16 * NETWORK_GROUPS}`;
}
