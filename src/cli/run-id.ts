/** Names of runs: they sort by time, are easy to type, and fit where a store allows little. */
import type { Clock, Random } from '../lib/world.ts';

const DIGITS = '0123456789abcdefghjkmnpqrstvwxyz';

/** 14 characters: the time in milliseconds (9) and chance (5). */
export function newRunId(clock: Clock, random: Random): string {
  let time = clock.now();
  let head = '';
  for (let i = 0; i < 9; i++) {
    head = (DIGITS[time % 32] as string) + head;
    time = Math.floor(time / 32);
  }
  return head + Array.from(random.bytes(5), (byte) => DIGITS[byte % 32] as string).join('');
}
