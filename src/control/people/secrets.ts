/** Secrets that are given out once and kept only as hashes. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { Random } from '../../lib/world.ts';

export function newSecret(random: Random, bytes = 32): string {
  return Buffer.from(random.bytes(bytes)).toString('base64url');
}

/** These secrets are long and random: a plain hash keeps them. */
export function hashOf(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}

export function sameText(a: string, b: string): boolean {
  return timingSafeEqual(Buffer.from(hashOf(a)), Buffer.from(hashOf(b)));
}
