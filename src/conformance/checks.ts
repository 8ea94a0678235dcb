/** All checks, in the order of the matrix. */
import { CANCELLING } from './cancelling.ts';
import { CARRYING } from './carrying.ts';
import { CONFIG } from './config.ts';
import { DISTURBING } from './disturbing.ts';
import { errorChecks } from './errors.ts';
import { FACETS } from './facets.ts';
import type { Check, Harness } from './harness.ts';
import { IDENTITY } from './identity.ts';
import { LISTING } from './listing.ts';
import { MANIFEST } from './manifest.ts';
import { NAMING } from './naming.ts';
import { PARTS } from './parts.ts';
import { READING } from './reading.ts';
import { REMOVAL } from './removal.ts';
import { WRITING } from './writing.ts';

export function checksOf(harness: Harness): readonly Check[] {
  return [
    ...MANIFEST,
    ...IDENTITY,
    ...CONFIG,
    ...LISTING,
    ...NAMING,
    ...READING,
    ...WRITING,
    ...CARRYING,
    ...PARTS,
    ...REMOVAL,
    ...FACETS,
    ...errorChecks(harness),
    ...CANCELLING,
    ...DISTURBING,
  ];
}
