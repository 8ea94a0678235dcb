/** Runs and segments as rows of the state file. */
import type { SQLOutputValue } from 'node:sqlite';
import { isEvidence } from '../engine/evidence.ts';
import type { RequestCounts, RunRecord, SegmentRecord } from '../engine/ports.ts';
import { addRequests } from '../engine/requests.ts';
import { compareKeys } from '../model/key.ts';
import { addCounters, ZERO_COUNTERS, type Counters } from '../model/outcome.ts';

export type Row = Record<string, SQLOutputValue>;

/** A mirror removes only after everything else, so its segments come last. */
const KIND_ORDER = { keys: 0, mapped: 1, restores: 2, deletes: 3, settle: 4 } as const;

export function runValues(run: RunRecord): (string | number)[] {
  const { mode, dryRun } = run.definition.policy;
  const hasSnapshot = run.manifestRoot !== null && !dryRun && mode !== 'check';
  const { counters: _, ...record } = run;
  return [run.runId, run.transferId, run.pairId, run.state, run.startedAtMs, hasSnapshot ? 1 : 0, toText(record)];
}

export const RUN_COLUMNS = 'record, counters';

/** Ended runs of a pair (twice its id) since its last snapshot, of which some are evidence, newest first. */
export const EVIDENCE_RUNS = `SELECT ${RUN_COLUMNS} FROM runs WHERE pair_id = ? AND has_snapshot = 0
  AND state IN ('cancelled', 'failed', 'succeeded', 'completed-with-issues')
  AND number > (SELECT coalesce(max(number), 0) FROM runs WHERE pair_id = ? AND has_snapshot = 1)
  ORDER BY number DESC LIMIT 100`;

export function evidenceAmong(rows: readonly Row[], limit: number): RunRecord[] {
  return (
    rows
      .map(runFromRow)
      // One that ended before it had settled anything knows nothing, and takes nobody's place.
      .filter(({ definition, counters }) => isEvidence(definition.policy) && counters.items.scanned > 0)
      .slice(0, limit)
  );
}

export function runFromRow(row: Row): RunRecord {
  const record = fromText(row['record']) as Omit<RunRecord, 'counters'>;
  return { ...record, counters: addCounters(ZERO_COUNTERS, fromText(row['counters']) as Counters) };
}

export function segmentFromRow(row: Row, chunks: readonly string[]): SegmentRecord {
  return {
    runId: String(row['run_id']),
    segmentId: String(row['segment_id']),
    kind: row['kind'] as SegmentRecord['kind'],
    from: fromText(row['from_key']) as string | null,
    to: fromText(row['to_key']) as string | null,
    state: row['state'] as SegmentRecord['state'],
    epoch: Number(row['epoch']),
    checkpoint: fromText(row['checkpoint']) as SegmentRecord['checkpoint'],
    chunks,
    counters: addCounters(ZERO_COUNTERS, fromText(row['counters']) as Counters),
  };
}

function compareSegments(a: SegmentRecord, b: SegmentRecord): number {
  const byKind = KIND_ORDER[a.kind] - KIND_ORDER[b.kind];
  if (byKind !== 0) return byKind;
  if (a.from === null || b.from === null) return (a.from === null ? 0 : 1) - (b.from === null ? 0 : 1);
  return compareKeys(a.from, b.from);
}

/** JSON escapes lone surrogates and NUL, so that every key comes back as it was. */
export function toText(value: unknown): string {
  return JSON.stringify(value);
}

export function fromText(value: SQLOutputValue | undefined): unknown {
  return JSON.parse(String(value));
}

/** `chunks`: their names in the order in which they were made durable. */
export function segmentsFromRows(segments: readonly Row[], chunks: readonly Row[]): SegmentRecord[] {
  const names = Map.groupBy(chunks, (row) => String(row['segment_id']));
  return segments
    .map((row) =>
      segmentFromRow(
        row,
        (names.get(String(row['segment_id'])) ?? []).map((one) => String(one['name'])),
      ),
    )
    .toSorted(compareSegments);
}

/** Only one process works on a run at a time, so its sessions follow each other. */
export function usageOf(sessions: readonly Row[]): Pick<RunRecord, 'requests' | 'durationMs'> {
  return {
    requests: sessions.map((row) => fromText(row['requests']) as RequestCounts).reduce(addRequests),
    durationMs: Math.round(sessions.reduce((sum, row) => sum + Number(row['active_ms']), 0)),
  };
}
