/** What a run waits for most, from what was measured lately; never guessed from its settings. */
import type { Progress } from './definition.ts';
import { SMALL_BYTES_MAX } from './limits.ts';

/** What has to give way before the run goes faster. */
export type LimitReason = Pick<Progress, 'limitedBy' | 'limit'>;

/** So much of the lanes' time must go into a wait before it is what limits the speed. */
const LIMITING_SHARE = 0.25;
/** The share of time in which there was room in the lanes that listing did not fill; or in which they were full. */
const MOST_OF_THE_TIME = 0.5;
const BUSY_EVENT_LOOP = 0.9;
/** Below this an object on average is all waiting for answers, and hardly any bytes. */
const SMALL_ON_AVERAGE_BYTES = SMALL_BYTES_MAX / 4;

export interface Watched {
  /** How many of those who had something to do were waiting for that, on average. */
  readonly waiting: Readonly<Record<'source' | 'target' | 'bandwidth' | 'sourceRate' | 'targetRate', number>>;
  readonly eventLoopUse: number;
  /** Shares of the time. */
  readonly hungry: number;
  readonly full: number;
  /** Somebody said how many transfers there may be. */
  readonly hasTransfersMax: boolean;
  readonly bytesPerSecond: number;
  readonly itemsPerSecond: number;
}

const NONE: LimitReason = { limitedBy: 'none' };

export function limitReason(watched: Watched): LimitReason {
  const { waiting, bytesPerSecond, itemsPerSecond } = watched;
  const kinds = Object.keys(waiting) as (keyof Watched['waiting'])[];
  const worst = kinds.reduce((most, kind) => (waiting[kind] > waiting[most] ? kind : most));
  if (waiting[worst] >= LIMITING_SHARE) {
    if (worst === 'sourceRate') return { limitedBy: 'limit', limit: { what: 'requests', side: 'source' } };
    if (worst === 'targetRate') return { limitedBy: 'limit', limit: { what: 'requests', side: 'target' } };
    return { limitedBy: worst };
  }
  if (watched.eventLoopUse >= BUSY_EVENT_LOOP) return { limitedBy: 'cpu' };
  if (watched.hungry >= MOST_OF_THE_TIME) return { limitedBy: 'listing' };
  if (watched.full < MOST_OF_THE_TIME || (bytesPerSecond <= 0 && itemsPerSecond <= 0)) return NONE;
  if (watched.hasTransfersMax) return { limitedBy: 'limit', limit: { what: 'transfers', side: null } };
  return { limitedBy: bytesPerSecond >= itemsPerSecond * SMALL_ON_AVERAGE_BYTES ? 'link' : 'latency' };
}
