/** Names of runs: they sort by time, are easy to type, and fit where a store allows little. */
import type { Clock, Random } from '../lib/world.ts';

const DIGITS = '0123456789abcdefghjkmnpqrstvwxyz';
const TIME_DIGITS = 9;
const CHANCE_DIGITS = 7;

export function newRunId({ clock, random }: { readonly clock: Clock; readonly random: Random }): string {
  let time = clock.now();
  let head = '';
  for (let i = 0; i < TIME_DIGITS; i++) {
    head = (DIGITS[time % DIGITS.length] as string) + head;
    time = Math.floor(time / DIGITS.length);
  }
  const tail = Array.from(random.bytes(CHANCE_DIGITS), (byte) => DIGITS[byte % DIGITS.length] as string);
  return head + tail.join('');
}
