/** What `run items` says when it lists nothing: only what is true of that run. */
import { expect, test } from 'vitest';
import type { Wire } from '../../../src/api/client/client.ts';
import { createFormat } from '../../../src/cli/format.ts';
import { nothingListed } from '../../../src/cli/remote/nothing-listed.ts';
import { ZERO_COUNTERS } from '../../../src/model/outcome.ts';

type Run = Wire['Run'];
type Counts = Partial<Run['counters']['items']>;

const counted = (items: Counts, differences: Partial<Run['counters']['differences']> = {}) => ({
  counters: {
    ...ZERO_COUNTERS,
    items: { ...ZERO_COUNTERS.items, ...items },
    differences: { ...ZERO_COUNTERS.differences, ...differences },
  },
});
const wrong = (message: string) => ({ error: { code: 'INTERNAL', message, field: null, remedy: '' } });

test.each<[string, object, string]>([
  [
    'of a good run',
    counted({ scanned: 3, copied: 2, excluded: 1 }),
    'None: everything else made it, or was left out by a filter.',
  ],
  [
    'where objects were left as they are',
    counted({ scanned: 3, copied: 1, skipped: 2 }),
    'None failed. 2 objects were skipped; the copy log says why: drover run report r1 --kind copy-log-csv --out copy-log.csv',
  ],
  [
    'where those that failed are listed no longer',
    { state: 'completed-with-issues', ...counted({ scanned: 3, copied: 1, failed: 2 }) },
    '2 objects did not make it, and are listed here no longer.',
  ],
  [
    'of a canceled one of which some failed that are listed no longer',
    { state: 'cancelled', ...counted({ scanned: 3, failed: 1 }) },
    '1 object did not make it, and is listed here no longer.',
  ],
  ['before it begins', { state: 'queued' }, 'None so far: the run has not begun.'],
  [
    'while it runs',
    { state: 'running', live: counted({ scanned: 1_200, copied: 1_200 }), ...counted({}) },
    'None so far, of 1,200 objects that were looked at. The run has not ended.',
  ],
  [
    'while it pauses',
    { state: 'paused', ...counted({ scanned: 1 }) },
    'None so far, of 1 object that was looked at. The run has not ended.',
  ],
  [
    'of one that failed before it began',
    { state: 'failed', ...wrong('There is no bucket "x".') },
    'No object is listed: the run failed before it had looked at any. There is no bucket "x".',
  ],
  [
    'of one that failed on its way',
    { state: 'failed', ...wrong('The store is gone.'), ...counted({ scanned: 5, copied: 5 }) },
    'No object is listed: the run itself failed when it had looked at 5 objects. What it did not reach is listed nowhere. The store is gone.',
  ],
  [
    'of a canceled one',
    { state: 'cancelled', ...wrong('Canceled.'), ...counted({ scanned: 5, copied: 5 }) },
    'No object failed: the run was canceled when it had looked at 5 objects. What it did not reach is listed nowhere.',
  ],
  [
    'of a dry run',
    { kind: 'dry-run', ...counted({ scanned: 5, same: 4 }, { missing: 1, extra: 3 }) },
    'None: a dry run moves nothing. The target lacks 1 object, has 0 different ones and 3 that the source lacks; the copy log names them: drover run report r1 --kind copy-log-csv --out copy-log.csv',
  ],
  [
    'of a dry run without work',
    { kind: 'dry-run', ...counted({ scanned: 5, same: 5 }) },
    'None: a dry run moves nothing, and there is nothing to do.',
  ],
  [
    'of a validation that found something',
    {
      kind: 'validate',
      state: 'completed-with-issues',
      ...counted({ scanned: 5, same: 3 }, { missing: 1, different: 1 }),
    },
    'None that could not be compared. The target lacks 1 object, has 1 different one and 0 that the source lacks; the copy log names them: drover run report r1 --kind copy-log-csv --out copy-log.csv',
  ],
  [
    'of a validation that found nothing',
    { kind: 'validate', ...counted({ scanned: 5, same: 5 }) },
    'None: nothing is missing at the target, and nothing differs.',
  ],
])('%s', (_, changes, text) => {
  const run = { id: 'r1', kind: 'transfer', state: 'succeeded', error: null, live: null, ...counted({}), ...changes };
  expect(nothingListed(run as unknown as Run, createFormat('en', 'UTC'))).toBe(text);
});
