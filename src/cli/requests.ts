/** The way to the network for one side of a command: every request is counted, and held back where there is a limit. */
import { countRequests } from '../lib/counting.ts';
import { DEFAULT_LIMITS, limitRequests } from '../lib/limiting.ts';
import type { OpenTransport } from '../lib/transport.ts';
import type { RequestCounts } from '../engine/ports.ts';
import type { Session } from './session.ts';

export interface Side {
  readonly openTransport: OpenTransport;
  /** By class of operation, live. */
  readonly counts: Readonly<Record<string, number>>;
  /** Requests that wait because the service has asked for fewer. */
  heldBack(): number;
}

export function openSide(session: Session): Side {
  const counts: Record<string, number> = {};
  // Counted below the limiter: what was really sent.
  const counted = countRequests(session.world.openTransport, counts);
  const limited = limitRequests(counted, { clock: session.world.clock, ...DEFAULT_LIMITS });
  const heldBack = (): number => {
    const { throttles, ceiling, waiting } = limited.snapshot();
    // Before, those that wait do so because Drover is still finding out how many it bears.
    return throttles > 0 && ceiling < DEFAULT_LIMITS.concurrencyStart ? waiting : 0;
  };
  return { openTransport: limited, counts, heldBack };
}

export function countsOf(source: Side | null, target: Side | null): RequestCounts {
  return { source: { ...source?.counts }, target: { ...target?.counts } };
}
