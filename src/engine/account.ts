/** From what happened to an item to rows and sums: the only place where counters are made, so that all of them agree. */
import { DIGEST_STRENGTH, sharedDigest } from '../model/digest.ts';
import type { Entry } from '../model/entry.ts';
import { toDroverError, type DroverError } from '../model/errors.ts';
import {
  addCounters,
  ZERO_COUNTERS,
  type Counters,
  type ItemRecord,
  type Outcome,
  type VerificationClass,
} from '../model/outcome.ts';
import type { ReasonCode } from '../model/reasons.ts';
import type { SnapshotRow, StateMark } from '../model/snapshot.ts';
import { NOTHING_SETTLED, type LaterRow, type Settled } from './chunks.ts';
import type { Copied } from './copy-context.ts';
import { factsOf } from './failure-facts.ts';
import type { Action } from './decide.ts';

/** What a record adds to the sums. */
export function countersOf(record: ItemRecord): Counters {
  if (record.deletion === true && record.result === 'failed') return { ...ZERO_COUNTERS, deletesFailed: 1 };
  const { result, sizeBytes } = record;
  switch (result) {
    case 'extra': {
      const extra = differing(result, sizeBytes);
      if (record.code !== 'source-unread') return { ...ZERO_COUNTERS, ...extra };
      return addCounters({ ...ZERO_COUNTERS, ...extra }, { ...ZERO_COUNTERS, ...differing('kept', sizeBytes) });
    }
    case 'missing':
    case 'different':
      // Compared, not moved: counted as skipped so that the sum holds, and as the difference it is.
      return { ...ZERO_COUNTERS, ...ending('skipped', sizeBytes), ...differing(result, sizeBytes) };
    case 'copied':
      return {
        ...ZERO_COUNTERS,
        ...ending(result, sizeBytes),
        verification: { ...ZERO_COUNTERS.verification, [record.verification ?? 'V0']: 1 },
        mapped: record.targetKey === undefined ? 0 : 1,
      };
    default:
      return {
        ...ZERO_COUNTERS,
        ...ending(result, sizeBytes),
        sameWeak: result === 'same' && record.verification === 'V0' ? 1 : 0,
      };
  }
}

function ending(outcome: Outcome | 'deleted', sizeBytes: number): Pick<Counters, 'items' | 'bytes'> {
  const isScanned = outcome !== 'deleted';
  return {
    items: { ...ZERO_COUNTERS.items, [outcome]: 1, scanned: isScanned ? 1 : 0 },
    bytes: { ...ZERO_COUNTERS.bytes, [outcome]: sizeBytes, scanned: isScanned ? sizeBytes : 0 },
  };
}

function differing(
  difference: keyof Counters['differences'],
  sizeBytes: number,
): Pick<Counters, 'differences' | 'differenceBytes'> {
  return {
    differences: { ...ZERO_COUNTERS.differences, [difference]: 1 },
    differenceBytes: { ...ZERO_COUNTERS.differenceBytes, [difference]: sizeBytes },
  };
}

export function settle(record: ItemRecord, row: SnapshotRow | null = null): Settled {
  return { ...NOTHING_SETTLED, records: [record], rows: row === null ? [] : [row], counters: countersOf(record) };
}

export function putOff(later: LaterRow): Settled {
  return { ...NOTHING_SETTLED, later: [later] };
}

export function joinSettled(all: readonly Settled[]): Settled {
  return {
    records: all.flatMap((one) => one.records),
    rows: all.flatMap((one) => one.rows),
    later: all.flatMap((one) => one.later),
    extras: all.flatMap((one) => one.extras),
    counters: all.reduce((sum, one) => addCounters(sum, one.counters), ZERO_COUNTERS),
  };
}

export function recordOf(
  entry: Entry,
  result: ItemRecord['result'],
  code: ItemRecord['code'],
  more: Partial<ItemRecord> = {},
): ItemRecord {
  return {
    key: entry.key,
    ...(entry.identity.versionId === null ? {} : { versionId: entry.identity.versionId }),
    result,
    kind: entry.kind,
    sizeBytes: entry.sizeBytes,
    code,
    ...more,
  };
}

export function copiedSettled(
  order: { readonly entry: Entry; readonly targetKey: string },
  copied: Copied,
  timing: { readonly startedAtMs: number; readonly durationMs: number },
  reason: ReasonCode,
): Settled {
  const isMapped = order.targetKey !== order.entry.key;
  const record = recordOf(order.entry, 'copied', reason, {
    sizeBytes: copied.source.sizeBytes,
    ...(isMapped ? { targetKey: order.targetKey } : {}),
    verification: copied.class,
    ...(copied.leg === null ? {} : { leg: copied.leg }),
    ...(copied.losses.length === 0 ? {} : { details: copied.losses.join(' ') }),
    attempts: copied.attempts,
    ...timing,
  });
  return settle(
    record,
    snapshotRow({ ...copied.source, key: order.entry.key }, { ...copied.target, key: order.targetKey }, copied.class),
  );
}

/** How an item ends that could not be moved; errors that concern more than the item are for the caller to stop at. */
export function failedSettled(
  entry: Entry,
  thrown: unknown,
  timing: { readonly startedAtMs: number; readonly durationMs: number },
): Settled {
  const error = toDroverError(thrown);
  const result = outcomeOf(error);
  const facts = result === 'failed' ? factsOf(error) : {};
  return settle(recordOf(entry, result, error.code, { details: error.message, ...facts, ...timing }));
}

function outcomeOf(error: DroverError): 'failed' | 'unsupported' | 'skipped' {
  switch (error.code) {
    case 'UNREPRESENTABLE':
    case 'TOO_LARGE':
    case 'UNSUPPORTED':
    case 'ARCHIVED':
      return 'unsupported';
    case 'NOT_FOUND':
      return 'skipped';
    case 'ALREADY_EXISTS':
      // Somebody wrote something newer there meanwhile, and newer objects are to be left alone.
      return error.details?.['reason'] === 'target-newer' ? 'skipped' : 'failed';
    default:
      return 'failed';
  }
}

export function snapshotRow(source: Entry, target: Entry, verification: VerificationClass): SnapshotRow {
  return {
    key: source.key,
    ...(target.key === source.key ? {} : { targetKey: target.key }),
    source: markOf(source),
    target: markOf(target),
    verification,
  };
}

/** The class with which an item that was there already is known to be the same. */
export function sameClass(
  source: Entry,
  target: Entry,
  { evidence, weak }: Extract<Action, { kind: 'same' }>,
  previous: SnapshotRow | null,
): VerificationClass {
  if (weak) return 'V0';
  if (evidence === 'snapshot' && previous !== null) return previous.verification;
  // Of no bytes there is only one content.
  if (source.sizeBytes === 0) return 'V3';
  // The mark of a copy says no more than that a digest spoke for it.
  if (evidence !== 'digest') return 'V1';
  const kind = sharedDigest(source.digests, target.digests);
  return kind === null ? 'V1' : DIGEST_STRENGTH[kind];
}

function markOf(entry: Entry): StateMark {
  return {
    etag: entry.identity.etag,
    versionId: entry.identity.versionId,
    sizeBytes: entry.sizeBytes,
    modifiedAtMs: entry.modifiedAtMs,
  };
}
