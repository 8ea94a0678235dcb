/** The validation report of a run: what arrived, how it was proved, what did not and why, and what is there now. */
import type { Concession } from '../../engine/definition.ts';
import { readItems } from '../../engine/item-log.ts';
import type { RunRecord, RunStore } from '../../engine/ports.ts';
import { loadSnapshotIndex } from '../../engine/snapshot.ts';
import { spotCheck, type SpotCheckRow } from '../../engine/spot-check.ts';
import { verifyRun, type VerifyDifference } from '../../engine/verify.ts';
import type { RunWorld } from '../../engine/world.ts';
import { DroverError, ERRORS, toDroverError, type ErrorCode } from '../../model/errors.ts';
import type { Counters, ItemRecord, VerificationClass } from '../../model/outcome.ts';
import type { Run, RunSnapshot } from '../entities.ts';
import type { ControlWorld, OpenConnector } from '../world.ts';

/** Listed in the report itself; the copy log has them all. */
const ISSUES_LISTED_MAX = 10_000;
const DIFFERENCES_LISTED_MAX = 1_000;
/** Larger objects are not read back: one of them would take longer than all others together. */
const SPOT_CHECK_BYTES_MAX = 1_000_000_000;

export interface ValidationReport {
  readonly format: 'drover-validation-report';
  readonly formatVersion: 1;
  readonly programVersion: string;
  readonly madeAt: string;
  readonly run: Pick<
    Run,
    | 'id'
    | 'number'
    | 'jobName'
    | 'projectName'
    | 'kind'
    | 'state'
    | 'sourcePath'
    | 'targetPath'
    | 'startedAt'
    | 'endedAt'
    | 'durationMs'
    | 'createdBy'
    | 'error'
    | 'requests'
  >;
  readonly settings: RunSnapshot['settings'];
  readonly concessions: readonly Concession[];
  readonly counters: Counters;
  readonly manifestRoot: string | null;
  /** The target as it is listed now, against what the run left there; `null` with the reason where it cannot be. */
  readonly comparedNow: ComparedNow | { readonly notCompared: string };
  readonly readBack: ReadBack | { readonly notReadBack: string };
  readonly issues: {
    readonly total: number;
    readonly byCode: readonly {
      readonly code: string;
      readonly result: string;
      readonly items: number;
      readonly remedy: string;
    }[];
    readonly rows: readonly Pick<ItemRecord, 'key' | 'result' | 'code' | 'details' | 'sizeBytes'>[];
    readonly isComplete: boolean;
  };
  /** Every number that a clean validation needs is as it must be. */
  readonly isClean: boolean;
}

export interface ComparedNow {
  readonly checked: number;
  readonly checkedBytes: number;
  readonly missing: number;
  readonly different: number;
  readonly differences: readonly VerifyDifference[];
}

export interface ReadBack {
  readonly chosen: number;
  readonly equal: number;
  readonly different: number;
  readonly changed: number;
  readonly unreadable: number;
  readonly rows: readonly SpotCheckRow[];
}

export interface ReportSource {
  readonly world: ControlWorld;
  readonly store: RunStore;
  readonly openConnector: OpenConnector;
}

export async function makeReport(
  parts: ReportSource,
  run: Run,
  snapshot: RunSnapshot,
  objects: number,
  signal: AbortSignal,
): Promise<ValidationReport> {
  const record = await parts.store.getRun(run.id);
  if (record === null) throw new DroverError('ENTITY_NOT_FOUND', `There is no run with the id "${run.id}".`);
  const { counters } = record;
  const issues = await collectIssues(parts, record);
  const comparedNow = await compareNow(parts, record, snapshot, signal);
  const readBack = await readSome(parts, record, snapshot, objects, signal);
  return {
    format: 'drover-validation-report',
    formatVersion: 1,
    programVersion: parts.world.programVersion,
    madeAt: new Date(parts.world.clock.now()).toISOString(),
    run: runPart(run),
    settings: snapshot.settings,
    concessions: snapshot.concessions,
    counters,
    manifestRoot: record.manifestRoot,
    comparedNow,
    readBack,
    issues,
    isClean: isClean(run.state, counters, comparedNow, readBack, snapshot.settings.acceptV0),
  };
}

function runPart(run: Run): ValidationReport['run'] {
  const { id, number, jobName, projectName, kind, state, sourcePath, targetPath } = run;
  const { startedAt, endedAt, durationMs, createdBy, error, requests } = run;
  const what = { id, number, jobName, projectName, kind, state, sourcePath, targetPath };
  return { ...what, startedAt, endedAt, durationMs, createdBy, error, requests };
}

export function isClean(
  state: Run['state'],
  { items, verification, differences }: Counters,
  comparedNow: ValidationReport['comparedNow'],
  readBack: ValidationReport['readBack'],
  acceptV0: boolean,
): boolean {
  const hasEnded = state === 'succeeded' || state === 'completed-with-issues';
  const isComplete = items.failed === 0 && items.unsupported === 0 && items.skipped === 0;
  const isSame = differences.missing === 0 && differences.different === 0;
  const isThere = 'missing' in comparedNow ? comparedNow.missing === 0 && comparedNow.different === 0 : true;
  const isEqual = 'equal' in readBack ? readBack.different === 0 && readBack.unreadable === 0 : true;
  return hasEnded && isComplete && isSame && isThere && isEqual && (acceptV0 || verification.V0 === 0);
}

async function collectIssues({ world, store }: ReportSource, record: RunRecord): Promise<ValidationReport['issues']> {
  const byCode = new Map<string, { code: string; result: string; items: number; remedy: string }>();
  const rows: ValidationReport['issues']['rows'][number][] = [];
  let total = 0;
  for await (const { key, result, code, details, sizeBytes } of readItems(record, {
    store,
    artifacts: world.artifacts,
  })) {
    if (result === 'copied' || result === 'same' || result === 'excluded' || result === 'deleted') continue;
    total += 1;
    const known = byCode.get(`${code}/${result}`) ?? { code, result, items: 0, remedy: remedyOf(code) };
    known.items += 1;
    byCode.set(`${code}/${result}`, known);
    if (rows.length < ISSUES_LISTED_MAX) {
      rows.push({ key, result, code, sizeBytes, ...(details === undefined ? {} : { details }) });
    }
  }
  const sorted = [...byCode.values()].toSorted((a, b) => b.items - a.items);
  return { total, byCode: sorted, rows, isComplete: rows.length === total };
}

function remedyOf(code: string): string {
  return Object.hasOwn(ERRORS, code) ? ERRORS[code as ErrorCode].remedy : '';
}

async function compareNow(
  { world, store, openConnector }: ReportSource,
  record: RunRecord,
  { target }: RunSnapshot,
  signal: AbortSignal,
): Promise<ValidationReport['comparedNow']> {
  if (record.manifestRoot === null)
    return { notCompared: 'The run has no manifest: it only compared, or did not end.' };
  try {
    const { account } = await openConnector(target.connectorId, world.openTransport);
    await using closing = new AsyncDisposableStack();
    closing.use(account);
    const opened = closing.use(await account.target(target.place, { facts: null, runId: record.runId }, signal));
    const differences: VerifyDifference[] = [];
    const result = await verifyRun(record, opened, engineWorld(world, store), {
      signal,
      onProgress: null,
      onDifference: (one) => {
        if (differences.length < DIFFERENCES_LISTED_MAX) differences.push(one);
      },
    });
    const { checked, checkedBytes, missing, different } = result;
    return { checked, checkedBytes, missing, different, differences };
  } catch (thrown) {
    if (signal.aborted) throw thrown;
    return { notCompared: toDroverError(thrown).message };
  }
}

async function readSome(
  { world, openConnector }: ReportSource,
  record: RunRecord,
  { source, target, settings }: RunSnapshot,
  objects: number,
  signal: AbortSignal,
): Promise<ValidationReport['readBack']> {
  if (objects === 0) return { notReadBack: 'It was not asked for.' };
  const index = await loadSnapshotIndex(world.artifacts, record);
  if (index === null) return { notReadBack: 'The run has no manifest: it only compared, or did not end.' };
  if (settings.versions === 'all') return { notReadBack: 'The target shows only the newest version of each object.' };
  try {
    await using closing = new AsyncDisposableStack();
    const open = async ({ connectorId, place }: RunSnapshot['target']) => {
      const { account } = await openConnector(connectorId, world.openTransport);
      closing.use(account);
      return closing.use(await account.source(place, { versions: 'current' }, signal));
    };
    const ends = { source: await open(source), target: await open(target) };
    const rows: SpotCheckRow[] = [];
    const options = { objects, sizeBytesMax: SPOT_CHECK_BYTES_MAX, random: world.random, signal };
    for await (const row of spotCheck(index, world.artifacts, ends, options)) rows.push(row);
    const count = (result: SpotCheckRow['result']): number => rows.filter((row) => row.result === result).length;
    const [equal, different, changed, unreadable] = [
      count('equal'),
      count('different'),
      count('changed'),
      count('unreadable'),
    ];
    return { chosen: rows.length, equal, different, changed, unreadable, rows };
  } catch (thrown) {
    if (signal.aborted) throw thrown;
    return { notReadBack: toDroverError(thrown).message };
  }
}

function engineWorld(world: ControlWorld, store: RunStore): RunWorld {
  const { clock, random, log, artifacts } = world;
  return { clock, random, log, store, artifacts, worker: 'report', requests: () => ({ source: {}, target: {} }) };
}

/** In words that need no glossary. */
export const CLASS_WORDS: Readonly<Record<VerificationClass, string>> = {
  V3: 'by SHA-256 or stronger, proved at the target',
  V2: 'by a CRC of the source, proved at the target',
  V1: 'by MD5 or the bytes that were received, proved at the target',
  V0: 'by size only',
  VM: 'rewritten by the provider',
};
