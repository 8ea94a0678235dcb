/** What a key segment leaves for the phase that joins both sides by the name at the target. */
import type { Entry } from '../model/entry.ts';
import type { NameRules } from '../model/names.ts';
import { joinSettled, putOff } from './account.ts';
import { NOTHING_SETTLED, type LaterRow, type Settled } from './chunks.ts';
import { kindAtTarget } from './item.ts';
import type { Meeting } from './merge.ts';
import { isDeletion } from './versions.ts';
import { isMappedForm, mapKey, needsMapping, objectBesidePrefixName } from './naming.ts';

/** Everything about this key. */
export function putOffAll({ key, sources, target }: Meeting, rules: NameRules): Settled {
  const rows: LaterRow[] = sources.map((entry) => {
    const isNoObject = entry.kind === 'opaque' && !isDeletion(entry);
    const targetKey = isNoObject ? key : mapKey(key, rules, kindAtTarget(entry, rules));
    return { reason: 'mapped', side: 'source', targetKey, entry };
  });
  if (target !== null) rows.push({ reason: 'mapped', side: 'target', targetKey: key, entry: target });
  return joinSettled(rows.map((row) => putOff(row)));
}

export interface Pair {
  readonly key: string;
  readonly source: Entry | null;
  readonly target: Entry | null;
  /** The object's name is also a folder's, which the target cannot hold beside it. */
  readonly isBeside: boolean;
}

/** Items whose name the target cannot hold, or that could be such a name; `null` for all others. */
export function putOffMapped({ key, source, target, isBeside }: Pair, rules: NameRules): Settled | null {
  const isForm = isMappedForm(key, rules);
  const isMapped =
    source !== null &&
    source.kind !== 'opaque' &&
    (isForm || isBeside || needsMapping(key, rules, kindAtTarget(source, rules)));
  const later: Settled[] = [];
  if (isMapped) {
    const targetKey = isBeside ? objectBesidePrefixName(key, rules) : mapKey(key, rules, kindAtTarget(source, rules));
    const inTheWay = isBeside && !isForm && target !== null && target.kind === 'object' ? { inTheWay: target } : {};
    later.push(putOff({ reason: 'mapped', side: 'source', targetKey, entry: source, ...inTheWay }));
  }
  if (target !== null && isForm) {
    later.push(putOff({ reason: 'mapped', side: 'target', targetKey: key, entry: target }));
  }
  if (later.length === 0) return null;
  if (!isMapped && source !== null) return null;
  return { ...NOTHING_SETTLED, later: later.flatMap((one) => one.later) };
}
