/** What must hold before a mirror deletes anything. Asked after both listings are complete, and never skipped. */
import { DroverError } from '../model/errors.ts';
import type { Counters } from '../model/outcome.ts';
import { MIRROR_DELETE_SHARE_MAX, type Policy } from '../model/policy.ts';

/** GUARD_EMPTY_SOURCE or GUARD_DELETE_CAP; nothing was deleted then. */
export function refuseUnsafeMirror(counters: Counters, policy: Policy): void {
  const { extra } = counters.differences;
  if (extra === 0) return;
  if (counters.items.scanned === 0 && !policy.allowEmptySource) {
    throw new DroverError(
      'GUARD_EMPTY_SOURCE',
      `Nothing was deleted. The source listed no objects, the target has ${counters.targetScanned}.`,
    );
  }
  if (policy.deleteMax !== null && extra > policy.deleteMax) {
    throw new DroverError(
      'GUARD_DELETE_CAP',
      `Nothing was deleted. The target has ${extra} more than the source, and at most ${policy.deleteMax} may be deleted.`,
    );
  }
  const share = extra / Math.max(1, counters.targetScanned);
  // Whoever says that the source may be empty says that everything goes; what nobody chose does not stand against that.
  if (counters.items.scanned === 0 && policy.deleteShareMax === MIRROR_DELETE_SHARE_MAX) return;
  if (policy.deleteShareMax !== null && share > policy.deleteShareMax) {
    throw new DroverError(
      'GUARD_DELETE_CAP',
      `Nothing was deleted. ${extra} of ${counters.targetScanned} objects at the target are not at the source, ` +
        `and at most ${Number((policy.deleteShareMax * 100).toFixed(2))} % may be deleted.`,
    );
  }
}

/** As it stands after "more than"; `null`: there is none. */
export function deleteCapText({
  deleteMax,
  deleteShareMax,
}: Pick<Policy, 'deleteMax' | 'deleteShareMax'>): string | null {
  const count =
    deleteMax === null ? [] : [deleteMax === 1 ? 'one object' : `${deleteMax.toLocaleString('en-US')} objects`];
  const share =
    deleteShareMax === null || deleteShareMax >= 1
      ? []
      : [`${Number((deleteShareMax * 100).toFixed(2))} % of the objects there`];
  const all = [...count, ...share];
  return all.length === 0 ? null : all.join(' or ');
}
