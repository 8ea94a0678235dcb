/** The policy of a plain copy, for tests that vary one thing at a time. */
import type { Policy } from '../src/model/policy.ts';

export const NEUTRAL_POLICY: Policy = {
  mode: 'merge',
  dryRun: false,
  targetNewer: 'overwrite',
  filter: {
    include: [],
    exclude: [],
    sizeBytesMin: null,
    sizeBytesMax: null,
    ageMsMin: null,
    ageMsMax: null,
    excludeClasses: [],
  },
  serverSide: 'auto',
  versions: 'current',
  metadata: 'preserve',
  tags: 'preserve',
  archived: 'report',
  deleteMax: null,
  deleteShareMax: null,
  allowEmptySource: false,
  oneWay: false,
  acceptV0: false,
  storageClass: null,
};
