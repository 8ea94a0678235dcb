/** What keeps a report from being clean, in sentences. A pure function: nothing that was not looked at counts as well. */
import type { Counters } from '../../model/outcome.ts';
import type { Run } from '../entities.ts';
import type { ValidationReport } from './report.ts';

export interface Looked {
  readonly run: Pick<Run, 'kind' | 'state'>;
  readonly counters: Counters;
  readonly bothSides: ValidationReport['bothSides'];
  readonly comparedNow: ValidationReport['comparedNow'];
  readonly readBack: ValidationReport['readBack'];
  readonly acceptV0: boolean;
}

export function findingsOf({ run, counters, bothSides, comparedNow, readBack, acceptV0 }: Looked): readonly string[] {
  return [
    ...endOf(run),
    ...itemsOf(run, counters, acceptV0),
    ...bothSidesOf(bothSides, acceptV0),
    ...comparedOf(run, comparedNow),
    ...readBackOf(readBack),
  ];
}

function endOf({ kind, state }: Looked['run']): string[] {
  if (state === 'failed') return ['The run failed.'];
  if (state === 'cancelled') return ['The run was canceled.'];
  if (state !== 'succeeded' && state !== 'completed-with-issues') return ['The run has not ended.'];
  if (kind === 'dry-run') return ['A dry run moves nothing; validate the job to compare both sides.'];
  if (kind === 'retry') return ['A retry looks only at what failed before; validate the job to compare both sides.'];
  return [];
}

function itemsOf(
  { kind }: Looked['run'],
  { items, differences, deletesFailed, verification, sameWeak }: Counters,
  acceptV0: boolean,
): string[] {
  const { missing, different } = differences;
  // Where only one way is compared none is counted; a transfer finds these before it deletes them.
  const extra = kind === 'validate' ? differences.extra : 0;
  // What a comparison finds is counted as skipped too; it is named once.
  const skipped = Math.max(0, items.skipped - missing - different);
  return [
    ...about(items.failed, 'failed'),
    ...about(items.unsupported, 'not fit for the target', true),
    ...about(skipped, 'skipped', true),
    ...about(missing, 'missing at the target', true),
    ...about(different, 'different at the target', true),
    ...about(extra, 'only at the target', true),
    ...about(deletesFailed, 'to be deleted at the target and could not be', true),
    ...(acceptV0 ? [] : about(verification.V0, 'proved by size only, which this job does not accept', true)),
    ...(acceptV0 ? [] : about(sameWeak, `compared by size alone${NOT_PROVED}`, true)),
  ];
}

/** Of what was there already and never read, or copied without a digest that both sides know. */
const NOT_PROVED = ' and so not proved, which this job does not accept';

function bothSidesOf(bothSides: Looked['bothSides'], acceptV0: boolean): string[] {
  if ('notCompared' in bothSides) {
    // Where it could not be expected, the run itself is a finding.
    return bothSides.isFault ? [`Source and target were not compared as they are now. ${bothSides.notCompared}`] : [];
  }
  return [
    ...about(bothSides.missing, 'at the source now and not at the target', true),
    ...about(bothSides.different, 'different on both sides now', true),
    ...about(bothSides.extra, 'only at the target now', true),
    ...about(bothSides.notComparable, 'not to be compared now', true),
    ...(acceptV0 ? [] : about(bothSides.sameWeak, `compared now by size alone${NOT_PROVED}`, true)),
  ];
}

function comparedOf({ kind }: Looked['run'], comparedNow: Looked['comparedNow']): string[] {
  if ('missing' in comparedNow) {
    return [
      ...about(comparedNow.missing, 'no longer at the target now', true),
      ...about(comparedNow.different, 'not as the run left them now', true),
    ];
  }
  // A validation is itself a comparison of both sides.
  if (kind === 'validate' && !comparedNow.isFault) return [];
  return [`The target was not compared with what the run left there. ${comparedNow.notCompared}`];
}

function readBackOf(readBack: Looked['readBack']): string[] {
  if ('notReadBack' in readBack) return readBack.isFault ? [`Nothing was read back. ${readBack.notReadBack}`] : [];
  return [
    ...about(readBack.missing, 'not at the target to be read back', true),
    ...about(readBack.different, 'read back and differed', false),
    ...about(readBack.unreadable, 'to be read back and could not be read', true),
  ];
}

function about(count: number, words: string, withVerb = false): string[] {
  if (count === 0) return [];
  const number = new Intl.NumberFormat('en-US').format(count);
  const verb = withVerb ? (count === 1 ? 'was ' : 'were ') : '';
  return [`${number} ${count === 1 ? 'object' : 'objects'} ${verb}${words}.`];
}
