/** The validation report of a run: what arrived, how it was proved, what did not and why, and what is there now. */
import type { Concession } from '../../engine/definition.ts';
import type { RunRecord, RunStore } from '../../engine/ports.ts';
import { loadSnapshotIndex } from '../../engine/snapshot.ts';
import {
  chooseFromSnapshot,
  Drawing,
  spotCheck,
  type Choice,
  type ChoiceOptions,
  type SpotCheckRow,
} from '../../engine/spot-check.ts';
import { verifyRun, type VerifyDifference } from '../../engine/verify.ts';
import type { RunWorld } from '../../engine/world.ts';
import { DroverError, toDroverError } from '../../model/errors.ts';
import type { Counters, VerificationClass } from '../../model/outcome.ts';
import type { Run, RunSnapshot } from '../entities.ts';
import { compareBothSides, type BothSides, type BothSidesNotCompared } from './both-sides.ts';
import { findingsOf } from './findings.ts';
import { collectItems, type ItemLists } from './items.ts';
import { proofOf, type Proof } from './proof.ts';
import type { ControlWorld, OpenConnector } from '../world.ts';

const DIFFERENCES_LISTED_MAX = 1_000;

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
    | 'storageMoverCodes'
    | 'requests'
  >;
  readonly settings: RunSnapshot['settings'];
  readonly concessions: readonly Concession[];
  readonly counters: Counters;
  /** Of the manifest that `proof` is about. */
  readonly manifestRoot: string | null;
  /** All that is known to be at the target; `null` where no transfer between the two places has ended. */
  readonly proof: Proof | null;
  /** Source and target as they are listed now, by the plan of the run. */
  readonly bothSides: BothSides | BothSidesNotCompared;
  /** The target as it is listed now, against what the run left there. */
  readonly comparedNow: ComparedNow | NotCompared;
  readonly readBack: ReadBack | NotReadBack;
  readonly issues: ItemLists['issues'];
  readonly renamed: ItemLists['renamed'];
  readonly losses: ItemLists['losses'];
  /** One sentence for each thing that keeps it from being clean; none: everything was looked at and is as it must be. */
  readonly findings: readonly string[];
  readonly isClean: boolean;
}

/** `isFault`: it should have been, and something stood in the way. */
export interface NotCompared {
  readonly notCompared: string;
  readonly isFault: boolean;
}

export interface NotReadBack {
  readonly notReadBack: string;
  readonly isFault: boolean;
}

export interface ComparedNow {
  readonly checked: number;
  readonly checkedBytes: number;
  readonly missing: number;
  readonly different: number;
  readonly differences: readonly VerifyDifference[];
}

export interface ReadBack {
  readonly wanted: number;
  readonly chosen: number;
  /** Why fewer were chosen than were wanted. */
  readonly whyFewer: string | null;
  /** Those of which only pieces were compared, because they are so large. */
  readonly inPieces: number;
  /** At each side. */
  readonly comparedBytes: number;
  readonly equal: number;
  /** Not at the target any more. */
  readonly missing: number;
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

/** `scratch`: a name in the artifact store below which nothing else is. */
export async function makeReport(
  parts: ReportSource,
  run: Run,
  snapshot: RunSnapshot,
  { objects, scratch }: { readonly objects: number; readonly scratch: string },
  signal: AbortSignal,
): Promise<ValidationReport> {
  const record = await parts.store.getRun(run.id);
  if (record === null) throw new DroverError('ENTITY_NOT_FOUND', `There is no run with the id "${run.id}".`);
  const { counters } = record;
  const choice = { objects, random: parts.world.random };
  const drawing = new Drawing(choice);
  const lists = await collectItems(parts, record, drawing, signal);
  const proof = await proofOf(parts, record, signal);
  const bothSides = await compareBothSides(parts, run, record, snapshot, scratch, signal);
  const comparedNow = await compareNow(parts, record, snapshot, signal);
  const readBack = await readSome(parts, { record, snapshot, choice, drawing }, signal);
  const { acceptV0 } = snapshot.settings;
  const findings = findingsOf({ run, counters, bothSides, comparedNow, readBack, acceptV0 });
  return {
    format: 'drover-validation-report',
    formatVersion: 1,
    programVersion: parts.world.programVersion,
    madeAt: new Date(parts.world.clock.now()).toISOString(),
    run: runPart(run),
    settings: snapshot.settings,
    concessions: snapshot.concessions,
    counters,
    manifestRoot: proof?.manifestRoot ?? null,
    proof,
    bothSides,
    comparedNow,
    readBack,
    ...lists,
    findings,
    isClean: findings.length === 0,
  };
}

function runPart(run: Run): ValidationReport['run'] {
  const { id, number, jobName, projectName, kind, state, sourcePath, targetPath } = run;
  const { startedAt, endedAt, durationMs, createdBy, error, storageMoverCodes, requests } = run;
  const what = { id, number, jobName, projectName, kind, state, sourcePath, targetPath };
  return { ...what, startedAt, endedAt, durationMs, createdBy, error, storageMoverCodes, requests };
}

async function compareNow(
  { world, store, openConnector }: ReportSource,
  record: RunRecord,
  { target }: RunSnapshot,
  signal: AbortSignal,
): Promise<ValidationReport['comparedNow']> {
  if (record.manifestRoot === null) {
    return { notCompared: 'The run keeps no manifest: it compared, repeated some, or did not end.', isFault: false };
  }
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
    return { notCompared: toDroverError(thrown).message, isFault: true };
  }
}

async function readSome(
  { world, openConnector }: ReportSource,
  {
    record,
    snapshot: { source, target, settings },
    choice,
    drawing,
  }: { record: RunRecord; snapshot: RunSnapshot; choice: ChoiceOptions; drawing: Drawing },
  signal: AbortSignal,
): Promise<ValidationReport['readBack']> {
  const expected = (notReadBack: string): NotReadBack => ({ notReadBack, isFault: false });
  if (choice.objects === 0) return expected('It was not asked for.');
  if (settings.versions === 'all') return expected('The target shows only the newest version of each object.');
  if (settings.dryRun) return expected('A dry run moves nothing.');
  try {
    const { candidates, whyFewer } = await choiceOf(world, record, choice, drawing);
    await using closing = new AsyncDisposableStack();
    const open = async ({ connectorId, place }: RunSnapshot['target']) => {
      const { account } = await openConnector(connectorId, world.openTransport);
      closing.use(account);
      return closing.use(await account.source(place, { versions: 'current' }, signal));
    };
    const ends = { source: await open(source), target: await open(target) };
    const rows: SpotCheckRow[] = [];
    const reading = { seenAtMs: record.startedAtMs, random: world.random, signal };
    for await (const row of spotCheck(candidates, ends, reading)) rows.push(row);
    const count = (result: SpotCheckRow['result']): number => rows.filter((row) => row.result === result).length;
    return {
      wanted: choice.objects,
      chosen: rows.length,
      whyFewer,
      inPieces: rows.filter(({ result, comparedBytes, sizeBytes }) => result === 'equal' && comparedBytes < sizeBytes)
        .length,
      comparedBytes: rows.reduce((sum, row) => sum + row.comparedBytes, 0),
      equal: count('equal'),
      missing: count('missing'),
      different: count('different'),
      changed: count('changed'),
      unreadable: count('unreadable'),
      rows,
    };
  } catch (thrown) {
    if (signal.aborted) throw thrown;
    return { notReadBack: toDroverError(thrown).message, isFault: true };
  }
}

/** The snapshot knows in which state each object was; runs that only compare have none, and their log must do. */
async function choiceOf(
  { artifacts }: Pick<ControlWorld, 'artifacts'>,
  record: RunRecord,
  choice: ChoiceOptions,
  drawing: Drawing,
): Promise<Choice> {
  const index = await loadSnapshotIndex(artifacts, record);
  return index === null ? drawing.choice : chooseFromSnapshot(index, artifacts, choice);
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
