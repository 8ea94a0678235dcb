/** What must hold before a mirror deletes anything. Asked after both listings are complete, and never skipped. */
import { DroverError } from '../model/errors.ts';
import type { Counters } from '../model/outcome.ts';
import { MIRROR_DELETE_SHARE_MAX, type Policy } from '../model/policy.ts';

/** GUARD_EMPTY_SOURCE or GUARD_DELETE_CAP; nothing was deleted then. */
export function refuseUnsafeMirror(counters: Counters, policy: Policy): void {
  const { kept = 0 } = counters.differences;
  const extra = counters.differences.extra - kept;
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
  if (counters.items.scanned === 0 && policy.deleteShareMax === 'default') return;
  const shareMax = shareMaxOf(policy);
  if (shareMax !== null && share > shareMax) {
    throw new DroverError(
      'GUARD_DELETE_CAP',
      `Nothing was deleted. ${extra} of ${counters.targetScanned} objects at the target are not at the source, ` +
        `and at most ${percentOf(shareMax)} may be deleted.`,
    );
  }
}

type Caps = Pick<Policy, 'deleteMax' | 'deleteShareMax'>;

/** What holds, chosen or not; `null`: no share does. */
function shareMaxOf({ deleteShareMax }: Caps): number | null {
  return deleteShareMax === 'default' ? MIRROR_DELETE_SHARE_MAX : deleteShareMax;
}

function percentOf(share: number): string {
  return `${Number((share * 100).toFixed(2))} %`;
}

/** What becomes of the target when the source turns out to be empty, as a sentence. */
export function emptySourceText(policy: Caps & Pick<Policy, 'allowEmptySource'>): string {
  if (!policy.allowEmptySource) return 'A source without any objects ends the run as failed before that.';
  const { deleteMax, deleteShareMax } = policy;
  const cap = deleteCapText({ deleteMax, deleteShareMax: deleteShareMax === 'default' ? null : deleteShareMax });
  const unless = cap === null ? '' : `, unless that is more than ${cap}`;
  return `The source may be without any objects: then everything there is deleted${unless}.`;
}

/** As it stands after "more than"; `null`: there is none. */
export function deleteCapText(caps: Caps): string | null {
  const { deleteMax } = caps;
  const shareMax = shareMaxOf(caps);
  const count =
    deleteMax === null ? [] : [deleteMax === 1 ? 'one object' : `${deleteMax.toLocaleString('en-US')} objects`];
  const share = shareMax === null || shareMax >= 1 ? [] : [`${percentOf(shareMax)} of the objects there`];
  const all = [...count, ...share];
  return all.length === 0 ? null : all.join(' or ');
}
