/** Re-checks a finished run against its target, any time later: the manifest as it was written, and what is there now. */
import type { Lister, Target } from '../contract/provider.ts';
import type { Entry } from '../model/entry.ts';
import { DroverError, toDroverError } from '../model/errors.ts';
import { compareKeys } from '../model/key.ts';
import type { SnapshotRow } from '../model/snapshot.ts';
import { chunkPrefix } from './chunks.ts';
import { nameOrder } from './fold.ts';
import type { RunWorld } from './world.ts';
import type { RunRecord } from './ports.ts';
import { ArrayStream, ListingStream, type EntryStream } from './scan.ts';
import { indexSnapshot, loadSnapshotIndex, nameAtTarget, snapshotRows, type SnapshotIndex } from './snapshot.ts';
import { sortedScan } from './sorted-scan.ts';

/** Differences that are told one by one; beyond, they are counted. */
const LISTED_MAX = 10_000;

export interface VerifyOptions {
  readonly signal: AbortSignal;
  readonly onProgress: ((checked: number) => void) | null;
  /** Told about items that are not as they were left, the first 10,000 of them. */
  readonly onDifference: ((difference: VerifyDifference) => void) | null;
}

export interface VerifyDifference {
  readonly key: string;
  readonly targetKey: string;
  readonly result: 'missing' | 'different';
  readonly details: string;
}

export interface VerifyResult {
  readonly checked: number;
  readonly checkedBytes: number;
  readonly missing: number;
  readonly different: number;
  /** Of which the run itself knew no more than the size: that they are as it left them proves nothing of the source. */
  readonly sizeOnly: number;
  readonly manifestRoot: string;
}

/**
 * INVALID_INPUT when the run has no manifest (it has not ended, or only compared); CORRUPTED when the recorded
 * manifest is not the one the run ended with.
 */
export async function verifyRun(
  run: RunRecord,
  target: Target,
  world: RunWorld,
  options: VerifyOptions,
): Promise<VerifyResult> {
  const index = await loadSnapshotIndex(world.artifacts, run);
  if (index === null || run.manifestRoot === null) {
    throw new DroverError(
      'INVALID_INPUT',
      `Run ${run.runId} has no manifest: it has not ended, or it copied nothing.`,
      {
        field: 'run',
        remedy: 'Name a run that has ended; "drover runs" lists them.',
      },
    );
  }
  const recomputed = await indexSnapshot(world.artifacts, run.runId, await world.store.segments(run.runId));
  if (recomputed.root !== run.manifestRoot) {
    throw new DroverError('CORRUPTED', `The stored manifest of run ${run.runId} is not the one it ended with.`, {
      remedy: 'The state folder was changed from outside; run the copy again to make a new manifest.',
    });
  }
  try {
    return await compareAll(run.manifestRoot, index, target, world, options, false);
  } catch (error) {
    if (toDroverError(error).code !== 'LISTING_DISORDERED') throw error;
    return compareAll(run.manifestRoot, index, target, world, options, true);
  }
}

async function compareAll(
  manifestRoot: string,
  index: SnapshotIndex,
  target: Target,
  world: RunWorld,
  options: VerifyOptions,
  isSorting: boolean,
): Promise<VerifyResult> {
  let checked = 0;
  let checkedBytes = 0;
  const found: VerifyDifference[] = [];
  let missing = 0;
  let different = 0;
  let sizeOnly = 0;
  const stream = streamOf(target, index.runId, world, options.signal, isSorting);
  const order = nameOrder(target.traits.names);
  try {
    for await (const { row, isCovered } of latestOfName(rowsByTargetKey(index, world, order))) {
      checked += 1;
      checkedBytes += row.target.sizeBytes;
      if (row.verification === 'V0') sizeOnly += 1;
      const difference = isCovered ? null : differenceOf(row, await entryAt(stream, nameAtTarget(row), order));
      if (difference !== null) {
        if (difference.result === 'missing') missing += 1;
        else different += 1;
        // Told only at the end, because a listing out of order makes it start over; counted all, listed so many.
        if (found.length < LISTED_MAX) found.push(difference);
      }
      if (checked % 1_000 === 0) options.onProgress?.(checked);
    }
  } finally {
    await stream.close();
  }
  for (const difference of found) options.onDifference?.(difference);
  return { checked, checkedBytes, missing, different, sizeOnly, manifestRoot };
}

function streamOf(
  target: Lister & Pick<Target, 'traits'>,
  runId: string,
  world: RunWorld,
  signal: AbortSignal,
  isSorting: boolean,
): EntryStream {
  const { order, names } = target.traits;
  if (!isSorting && order === 'bytes' && names.caseSensitive) {
    return new ListingStream(target, { from: null, to: null, resume: null }, signal, { repeatedKeys: 'drop' });
  }
  const spill = { artifacts: world.artifacts, prefix: `${chunkPrefix(runId)}sorting/verify/` };
  const entries = sortedScan(target, { from: null, to: null }, spill, false, signal, nameOrder(names));
  return new ArrayStream(entries, null);
}

/** `isCovered`: a newer version was written over it, or it was deleted as it is at the source, so that a listing does not show it any more. */
async function* latestOfName(
  rows: AsyncIterable<SnapshotRow>,
): AsyncGenerator<{ readonly row: SnapshotRow; readonly isCovered: boolean }> {
  let last: SnapshotRow | null = null;
  for await (const row of rows) {
    if (row.carried === true) continue;
    if (last !== null) yield { row: last, isCovered: isHidden(last) || nameAtTarget(last) === nameAtTarget(row) };
    last = row;
  }
  if (last !== null) yield { row: last, isCovered: isHidden(last) };
}

function isHidden({ hidden }: SnapshotRow): boolean {
  return hidden === true;
}

/** Rows of all phases as one stream in the order of their names at the target. */
async function* rowsByTargetKey(
  index: SnapshotIndex,
  world: RunWorld,
  order: (name: string) => string,
): AsyncGenerator<SnapshotRow> {
  const open = { from: null, to: null };
  const streams = (['keys', 'mapped', 'restores'] as const).map((kind) =>
    snapshotRows(world.artifacts, index, kind, open),
  );
  const heads: (SnapshotRow | null)[] = [];
  for (const stream of streams) heads.push(await nextRow(stream));
  for (;;) {
    let least = -1;
    for (let i = 0; i < heads.length; i++) {
      const head = heads[i];
      if (!head) continue;
      const place = order(nameAtTarget(head));
      if (least < 0 || compareKeys(place, order(nameAtTarget(heads[least] as SnapshotRow))) < 0) least = i;
    }
    if (least < 0) return;
    yield heads[least] as SnapshotRow;
    heads[least] = await nextRow(streams[least] as AsyncGenerator<SnapshotRow>);
  }
}

async function nextRow(stream: AsyncGenerator<SnapshotRow>): Promise<SnapshotRow | null> {
  const result = await stream.next();
  return result.done === true ? null : result.value;
}

async function entryAt(stream: EntryStream, key: string, orderOf: (name: string) => string): Promise<Entry | null> {
  const place = orderOf(key);
  for (;;) {
    let head = stream.peek();
    if (head === undefined) {
      await stream.fill();
      head = stream.peek();
    }
    if (!head) return null;
    const order = compareKeys(orderOf(head.key), place);
    if (order > 0) return null;
    if (order === 0) return head;
    stream.take();
  }
}

function differenceOf(row: SnapshotRow, entry: Entry | null): VerifyDifference | null {
  const names = { key: row.key, targetKey: nameAtTarget(row) };
  if (entry === null) return { ...names, result: 'missing', details: 'It is no longer at the target.' };
  if (entry.kind === 'folder') return null;
  if (entry.sizeBytes !== row.target.sizeBytes) {
    const details = `It had ${row.target.sizeBytes} bytes and has ${entry.sizeBytes} now.`;
    return { ...names, result: 'different', details };
  }
  if (row.target.etag !== null && entry.identity.etag !== null && row.target.etag !== entry.identity.etag) {
    return { ...names, result: 'different', details: 'It was written to since the run.' };
  }
  return null;
}
