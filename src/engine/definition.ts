/** What a transfer is, what may be tuned about a run, and what it reports while it goes on. */
import type { Place, PlaceIdentity } from '../contract/provider.ts';
import type { Counters } from '../model/outcome.ts';
import type { Policy } from '../model/policy.ts';

/** One side of a transfer, as it was named: enough to open it again and to show it. */
export interface EndDefinition {
  readonly connector: string;
  readonly provider: string;
  /** `fingerprint` of the account. */
  readonly fingerprint: string;
  /** Which objects it holds, whoever signs in. Absent: of a run from before anybody looked. */
  readonly identity?: PlaceIdentity;
  readonly place: Place;
  /** As people write it: `acme:photos/2024/`. */
  readonly label: string;
  /** Copy only this key of the place (an object was named, not a prefix). */
  readonly only: string | null;
}

/** Made by `defineTransfer`, which computes the ids. Plain JSON. */
export interface TransferDefinition {
  /** Hash of both places, the command, and the options that change the result. */
  readonly transferId: string;
  /** Hash of both places alone. */
  readonly pairId: string;
  readonly command: string;
  readonly source: EndDefinition;
  readonly target: EndDefinition;
  readonly policy: Policy;
  /** What will not survive this pair; the person was told. */
  readonly concessions: readonly Concession[];
}

export interface Concession {
  readonly aspect:
    | 'metadata'
    | 'headers'
    | 'tags'
    | 'times'
    | 'names'
    | 'folders'
    | 'links'
    | 'classes'
    | 'races'
    | 'digests'
    | 'versions'
    | 'protection'
    | 'overwrites'
    | 'deletions'
    | 'renames'
    | 'archived'
    | 'sizes';
  /** A sentence for people. */
  readonly detail: string;
}

/**
 * Performance only: never changes what a run does, so never part of its identity. Members are read whenever they are
 * needed, so that whoever gives them may change them while the run goes on.
 */
export interface Tuning {
  /** Objects in flight; `null` = chosen by Drover. */
  readonly transfersMax: number | null;
  /** Bytes of content in memory at most. */
  readonly bytesInFlightMax: number;
  /** Segments worked on at once. */
  readonly segmentsMax: number;
  readonly bandwidth: BandwidthTimetable | null;
}

/** Weekly timetable; the last rule that began holds. A single rule without a time is a constant limit. */
export interface BandwidthTimetable {
  readonly timeZone: string;
  readonly rules: readonly {
    /** 0 = Sunday; `null` = every day. */
    readonly day: number | null;
    readonly minuteOfDay: number;
    /** `null` = unlimited; 0 = pause. */
    readonly bytesPerSecond: number | null;
  }[];
}

export type RunPhase = 'starting' | 'copying' | 'names' | 'deleting' | 'settling' | 'ended';

/** How far one segment is, as whoever holds it under this epoch knows it: ahead of what is committed. */
export interface SegmentProgress {
  readonly segmentId: string;
  readonly epoch: number;
  /** All of it that is settled; never less later under the same epoch, unless the segment starts over. */
  readonly counters: Counters;
  /** Found and planned, but not settled. */
  readonly pendingItems: number;
  readonly pendingBytes: number;
  /** Nothing more will be found. */
  readonly isListed: boolean;
}

/** A picture of a run at one moment. */
export interface Progress {
  readonly runId: string;
  readonly phase: RunPhase;
  readonly counters: Counters;
  /** What is in the hands of this process, all of the same moment. */
  readonly segments?: readonly SegmentProgress[];
  /** Items found and planned but not settled. */
  readonly pendingItems: number;
  readonly pendingBytes: number;
  /** What the whole run is expected to come to while listing goes on, where anybody knows; and the share of it that is done. */
  readonly expected?:
    { readonly items: number; readonly sizeBytes: number | null; readonly percent: number | null } | undefined;
  /** Both listings are complete, so totals are known. */
  readonly listingComplete: boolean;
  readonly elapsedMs: number;
  /** Over the last few seconds, and over the whole run. */
  readonly bytesPerSecond: number;
  readonly itemsPerSecond: number;
  readonly bytesPerSecondMean: number;
  readonly itemsPerSecondMean?: number | undefined;
  /** Range of milliseconds left, and how much it is worth; `null` while counting, where nothing was expected. */
  readonly remainingMs: {
    readonly low: number;
    readonly high: number;
    readonly confidence: 'low' | 'medium' | 'high';
  } | null;
  /**
   * `source`, `target`: it asks for fewer requests. `limit`: one that somebody has set, see there. `link`: the network
   * carries no more. `latency`: small objects, of which each waits for answers.
   */
  readonly limitedBy: 'source' | 'target' | 'bandwidth' | 'limit' | 'cpu' | 'listing' | 'link' | 'latency' | 'none';
  /** In the words of whoever knows better where it can be changed. */
  readonly limitWords?: string | undefined;
  /** Which limit: of requests per second at that side, or of transfers. */
  readonly limit?: { readonly what: 'requests' | 'transfers'; readonly side: 'source' | 'target' | null } | undefined;
  /** Items being moved right now, longest first, at most eight. */
  readonly current: readonly { readonly key: string; readonly sizeBytes: number; readonly doneBytes: number }[];
}
