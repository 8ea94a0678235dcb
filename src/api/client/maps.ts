/** The map of a run, kept up to date by the live stream. */
import type { RunMap } from '../../control/entities.ts';
import type { LiveEvent } from '../events/event.ts';

/** `null`: the event goes on from another map than this one; the next whole one, or a request, brings it. */
export function changedMap(before: RunMap | null, event: Extract<LiveEvent, { type: 'map' }>): RunMap | null {
  const { id, sequence, asOf, base, count } = event;
  if (base !== null && (before === null || before.sequence !== base)) return null;
  const cells = base === null || before === null ? [] : before.cells.slice(0, count);
  for (const { index, ...cell } of event.cells) cells[index] = cell;
  return { runId: id, sequence, asOf, cells };
}
