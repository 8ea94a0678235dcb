/** Names of new things. */
import type { Clock, Random } from '../lib/world.ts';

/** UUIDv7: sorts by the time it was made, so that new rows lie together in every index. */
export function newId(world: { readonly clock: Clock; readonly random: Random }): string {
  const bytes = Buffer.alloc(16);
  bytes.writeUIntBE(world.clock.now(), 0, 6);
  bytes.set(world.random.bytes(10), 6);
  bytes[6] = (bytes[6]! & 0x0f) | 0x70;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
