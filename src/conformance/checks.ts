/** All checks, in the order of the matrix. */
import type { Check, Harness } from './harness.ts';
import { LISTING } from './listing.ts';
import { NAMING } from './naming.ts';
import { PARTS } from './parts.ts';
import { READING } from './reading.ts';
import { WRITING } from './writing.ts';

export function checksOf(_harness: Harness): readonly Check[] {
  return [...LISTING, ...NAMING, ...READING, ...WRITING, ...PARTS];
}
