/** What all parts of one run share in this process. */
import type { NameRules } from '../model/names.ts';
import type { Entry } from '../model/entry.ts';
import { Tally, type Counters } from '../model/outcome.ts';
import type { CopyContext } from './copy-context.ts';
import type { SegmentProgress } from './definition.ts';
import type { Denials } from './denials.ts';
import type { Gate } from './lanes.ts';
import type { Places } from './places.ts';
import type { RunRecord } from './ports.ts';
import type { Knowledge } from './snapshot.ts';
import type { Waits } from './waits.ts';

export interface RunContext extends CopyContext {
  readonly run: RunRecord;
  readonly signal: AbortSignal;
  /** Ends the run in this process: an error that concerns more than one item. */
  readonly stop: (error: unknown) => void;
  readonly filter: (entry: Entry) => string | null;
  readonly rules: NameRules;
  readonly timeToleranceMs: number;
  readonly targetMatchable: boolean;
  readonly previous: Knowledge;
  /** Sides whose listing turned out not to come in byte order. */
  readonly sorting: { source: boolean; target: boolean };
  readonly smallGate: Gate;
  readonly largeGate: Gate;
  readonly deletionGate: Gate;
  /** Set by somebody; `null`: chosen by Drover. */
  readonly transfersMax: () => number | null;
  readonly live: LiveState;
  /** Bytes of large objects that a segment plans ahead; more would be out of reach for other workers. */
  readonly largeAheadBytesMax: number;
  /** The process that worked on this run alone before could not say how far it had come. */
  readonly wasKilled: boolean;
  readonly waits: Waits;
  readonly denials: Denials;
  readonly places: Places;
}

/** Sums and positions as they are now, ahead of the last commit. */
export class LiveState {
  readonly tally = new Tally();
  pendingItems = 0;
  pendingBytes = 0;
  /** Items being moved: key → bytes. */
  readonly current = new Map<string, { readonly sizeBytes: number; doneBytes: number }>();
  movedBytes = 0;
  /** Key segments of which the listing has not come to its end. */
  unlistedSegments = 1;
  /** Segments at work: they commit what has settled also while nothing new settles. */
  readonly segments = new Set<{ commitWhenDue(): void }>();
  /** Segments in the hands of this process, until what is settled of them is saved. */
  readonly held = new Set<{ readonly progress: SegmentProgress }>();

  get counters(): Counters {
    return this.tally.now;
  }

  add(counters: Counters): void {
    this.tally.add(counters);
  }

  begin(key: string, sizeBytes: number): void {
    this.current.set(key, { sizeBytes, doneBytes: 0 });
  }

  end(key: string): void {
    this.current.delete(key);
  }

  moved(key: string, bytes: number): void {
    this.movedBytes += bytes;
    const item = this.current.get(key);
    if (item !== undefined) item.doneBytes += bytes;
  }
}
