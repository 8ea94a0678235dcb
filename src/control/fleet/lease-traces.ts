/**
 * Traces of runs. All workers make spans of one trace without asking each other: its id, and that of its first span,
 * follow from the run's id. Each claim of a segment is a span below the first one, which is told by whoever ends the run.
 */
import { createHash } from 'node:crypto';
import type { Span, SpanPlace, Tracing } from '../../lib/tracing.ts';
import { sql } from 'kysely';
import { Tally, type Counters } from '../../model/outcome.ts';
import { inDatabase } from '../runs/database-errors.ts';
import type { FleetWorld } from './parts.ts';
import type { HeldLease, LeaseWatcher } from '../runs/watching.ts';

const TRACE_DIGITS = 32;
const SPAN_DIGITS = 16;

export function placeOfRun(runId: string): SpanPlace {
  const digits = createHash('sha256').update(`drover run ${runId}`).digest('hex');
  return {
    traceId: digits.slice(0, TRACE_DIGITS),
    spanId: digits.slice(TRACE_DIGITS, TRACE_DIGITS + SPAN_DIGITS),
    isSampled: true,
  };
}

interface Open {
  readonly span: Span;
  readonly tally: Tally;
}

/** `jobOf`: `null` where it is not known (any more). */
export function leaseTraces(tracing: Tracing, workerId: string, jobOf: (runId: string) => string | null): LeaseWatcher {
  const open = new Map<string, Open>();
  const nameOf = ({ runId, segmentId, epoch }: HeldLease): string => `${runId}/${segmentId}/${epoch}`;
  return {
    claimed(lease, kind, isTakeover) {
      const span = tracing.begin('segment', {
        parent: placeOfRun(lease.runId),
        attributes: {
          'drover.run.id': lease.runId,
          'drover.job.id': jobOf(lease.runId) ?? undefined,
          'drover.segment.id': lease.segmentId,
          'drover.segment.kind': kind,
          'drover.segment.epoch': lease.epoch,
          'drover.segment.takeover': isTakeover,
          'drover.worker.id': workerId,
        },
      });
      open.set(nameOf(lease), { span, tally: new Tally() });
    },
    committed(lease, added) {
      open.get(nameOf(lease))?.tally.add(added);
    },
    left(lease, end) {
      const known = open.get(nameOf(lease));
      if (known === undefined) return;
      open.delete(nameOf(lease));
      const { items, bytes } = known.tally.now;
      known.span.set({
        'drover.items.scanned': items.scanned,
        'drover.items.copied': items.copied,
        'drover.items.failed': items.failed,
        'drover.bytes.copied': bytes.copied,
        'drover.outcome': end,
      });
      known.span.end(end === 'lost' ? 'LEASE_LOST' : null);
    },
  };
}

/** The span that all others of the run are below, once it has ended by a worker's hand. */
export async function traceRun({ db, tracing }: FleetWorld, runId: string): Promise<void> {
  if (tracing === undefined) return;
  const { rows } = await inDatabase(() =>
    sql<RunRow>`SELECT job_id, kind, state, started_at, error->>'code' AS code, counters FROM runs WHERE id = ${runId}`.execute(
      db,
    ),
  );
  const row = rows[0];
  if (row === undefined) return;
  const { items, bytes } = row.counters;
  const span = tracing.begin('run', {
    place: placeOfRun(runId),
    ...(row.started_at !== null && { startedAtMs: row.started_at.getTime() }),
    attributes: {
      'drover.run.id': runId,
      'drover.job.id': row.job_id,
      'drover.run.kind': row.kind,
      'drover.items.scanned': items.scanned,
      'drover.items.copied': items.copied,
      'drover.items.failed': items.failed,
      'drover.bytes.copied': bytes.copied,
      'drover.outcome': row.state,
    },
  });
  span.end(row.state === 'failed' ? (row.code ?? 'INTERNAL') : null);
}

interface RunRow {
  readonly job_id: string;
  readonly kind: string;
  readonly state: string;
  readonly started_at: Date | null;
  readonly code: string | null;
  readonly counters: Counters;
}
