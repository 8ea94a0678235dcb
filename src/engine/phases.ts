/**
 * What follows the listing of all keys: items under mapped names, archived items that were asked back, and last of
 * all a mirror's deletions. Each works from what the key segments put off, in an order that a resume can repeat.
 */
import { ZERO_COUNTERS } from '../model/outcome.ts';
import type { RunContext } from './context.ts';
import { DELETES } from './deletes.ts';
import { cancelled } from './lanes.ts';
import { orderKey, type Phase, type Step, type Unit, type UnitWork } from './later.ts';
import { PIECE_BYTES_MAX } from './limits.ts';
import { readChunks } from './lines.ts';
import { MAPPED } from './mapped.ts';
import { PhaseWork } from './phase-work.ts';
import { chunksOfPiece, UnitWriter } from './pieces.ts';
import type { Lease, SegmentKind, SegmentRecord } from './ports.ts';
import { RESTORES } from './restores.ts';

const PHASES = { mapped: MAPPED, restores: RESTORES, deletes: DELETES } as const satisfies Partial<
  Record<SegmentKind, Phase>
>;

/** `segments`: all of the run's. `onWork` is told what can be asked to save itself. */
export async function runPhase(
  context: RunContext,
  lease: Lease,
  segments: readonly SegmentRecord[],
  onWork: (work: PhaseWork) => void,
): Promise<void> {
  const { kind } = lease.segment;
  const phase = PHASES[kind as keyof typeof PHASES];
  const perform = async (lines: AsyncIterable<string> | Iterable<string>): Promise<void> => {
    const work = new PhaseWork(context, lease, phase.atOnce);
    onWork(work);
    await work.run(stepsOf(lines, phase.worker(context)));
  };
  const chunks = chunksOfPiece(lease.segment, segments);
  if (chunks !== null) return perform(readChunks(context.world.artifacts, chunks));
  const before = segments.filter((segment) => segment.kind !== kind);
  const few = await fewOrWritten(context, lease, phase, before);
  if (few !== null) await perform(few);
}

async function* stepsOf(lines: AsyncIterable<string> | Iterable<string>, work: UnitWork): AsyncGenerator<Step> {
  let number = 0;
  for await (const line of lines)
    yield { key: orderKey(number++), work: (mayBeUnrecorded) => work(line, mayBeUnrecorded) };
}

/** The units, where they are few; else they were written down for others, and this segment is done. */
async function fewOrWritten(
  context: RunContext,
  lease: Lease,
  phase: Phase,
  before: readonly SegmentRecord[],
): Promise<readonly string[] | null> {
  const { artifacts, store } = context.world;
  const writer = new UnitWriter(artifacts, lease, phase.pieceItemsMax);
  let held: Unit[] | null = [];
  let sizeBytes = 0;
  for await (const unit of phase.units(context, lease, before)) {
    if (context.signal.aborted) throw cancelled();
    if (held === null) {
      await writer.add(unit);
      continue;
    }
    held.push(unit);
    sizeBytes += unit.sizeBytes;
    if (held.length <= phase.pieceItemsMax && (sizeBytes <= PIECE_BYTES_MAX || held.length === 1)) continue;
    for (const one of held) await writer.add(one);
    held = null;
  }
  if (held !== null) return held.map(({ line }) => line);
  const checkpoint = { settledKey: null, sourceCursor: null, targetCursor: null, nextChunk: 0 };
  const nothing = { addCounters: ZERO_COUNTERS, addIssues: [] };
  await store.commit(lease, { checkpoint, addChunks: await writer.end(), ...nothing, done: true });
  return null;
}
