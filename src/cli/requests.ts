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
}

export function openSide(session: Session): Side {
  const counts: Record<string, number> = {};
  // Counted below the limiter: what was really sent.
  const counted = countRequests(session.world.openTransport, counts);
  return { openTransport: limitRequests(counted, { clock: session.world.clock, ...DEFAULT_LIMITS }), counts };
}

export function countsOf(source: Side | null, target: Side | null): RequestCounts {
  return { source: { ...source?.counts }, target: { ...target?.counts } };
}
