/** What one reader of the live stream knows of the maps of runs: he is sent what differs from that, and no more. */
import type { LiveEvent } from './event.ts';

type MapEvent = Extract<LiveEvent, { type: 'map' }>;

interface Known {
  readonly sequence: number;
  /** As they were sent. */
  readonly cells: readonly string[];
}

export class MapDeltas {
  readonly #known = new Map<string, Known>();

  /** To be sent instead; `null`: nothing of it is new. */
  next(event: LiveEvent): LiveEvent | null {
    // Whoever forgets everything needs whole maps.
    if (event.type === 'reset') this.#known.clear();
    if (event.type === 'removed' && event.kind === 'run-map') this.#known.delete(event.id);
    return event.type === 'map' ? this.#differing(event) : event;
  }

  #differing(event: MapEvent): MapEvent | null {
    const known = this.#known.get(event.id);
    const texts = event.cells.map((cell) => JSON.stringify(cell));
    const changed = event.cells.filter((_, at) => texts[at] !== known?.cells[at]);
    if (known !== undefined && changed.length === 0 && texts.length === known.cells.length) return null;
    this.#known.set(event.id, { sequence: event.sequence, cells: texts });
    return known === undefined ? event : { ...event, base: known.sequence, cells: changed };
  }
}
