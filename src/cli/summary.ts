/** The last JSON line of every command: one shape, whatever happened. */
import type { RequestCounts, RunRecord } from '../engine/ports.ts';
import type { Failure } from '../model/errors.ts';
import { ZERO_COUNTERS, type Counters, type ItemCounts, type RunState } from '../model/outcome.ts';

export interface Summary {
  readonly runId: string | null;
  readonly state: RunState;
  readonly counters: Pick<Counters, 'items' | 'bytes' | 'verification' | 'differences'> &
    Partial<Pick<Counters, 'sameWeak'>>;
  readonly requests: RequestCounts;
  readonly durationMs: number;
  readonly error: Failure | null;
}

export const NO_REQUESTS: RequestCounts = { source: {}, target: {} };

export const EMPTY_SUMMARY: Summary = {
  runId: null,
  state: 'succeeded',
  counters: ZERO_COUNTERS,
  requests: NO_REQUESTS,
  durationMs: 0,
  error: null,
};

export function summaryOfRun(run: RunRecord, error: Failure | null): Summary {
  return {
    runId: run.runId,
    state: run.state,
    counters: run.counters,
    requests: run.requests,
    durationMs: run.durationMs,
    error: error ?? run.error,
  };
}

function inOrder(counts: ItemCounts): ItemCounts {
  const { scanned, copied, same, excluded, skipped, unsupported, failed, deleted } = counts;
  return { scanned, copied, same, excluded, skipped, unsupported, failed, deleted };
}

/** The members and their order are a promise to scripts. */
export function summaryLine(summary: Summary): Readonly<Record<string, unknown>> {
  const { items, bytes, verification, differences, sameWeak } = summary.counters;
  return {
    type: 'summary',
    runId: summary.runId,
    state: summary.state,
    items: inOrder(items),
    bytes: inOrder(bytes),
    verification: {
      V3: verification.V3,
      V2: verification.V2,
      V1: verification.V1,
      V0: verification.V0,
      VM: verification.VM,
    },
    requests: { source: summary.requests.source, target: summary.requests.target },
    differences: {
      missing: differences.missing,
      extra: differences.extra,
      different: differences.different,
      kept: differences.kept ?? 0,
    },
    durationMs: Math.round(summary.durationMs),
    error:
      summary.error === null
        ? null
        : {
            code: summary.error.code,
            message: summary.error.message,
            field: summary.error.field,
            remedy: summary.error.remedy,
          },
    sameWeak: sameWeak ?? 0,
  };
}
