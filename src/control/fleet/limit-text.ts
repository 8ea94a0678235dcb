/** What limits a run's speed, and what to do about it, in sentences for people. */
import type { RunLive } from '../entities.ts';

/** A limit that somebody has set: of which connector or of the job, and how much it allows to all workers together. */
export interface SetLimit {
  readonly what: 'requests' | 'transfers';
  readonly of: 'source' | 'target' | 'job';
  readonly most: number | null;
}

export interface LimitFacts {
  readonly kind: RunLive['limitedBy']['kind'];
  readonly limit: SetLimit | null;
  /** Names of the connectors. */
  readonly source: string;
  readonly target: string;
  readonly bytesPerSecond: number;
  readonly itemsPerSecond: number;
}

export function limitText(facts: LimitFacts): string {
  const { kind, source, target } = facts;
  switch (kind) {
    case 'source':
      return `The source "${source}" asks for fewer requests. Drover slows down by itself; ask its owner for a higher limit to go faster.`;
    case 'target':
      return `The target "${target}" asks for fewer requests. Drover slows down by itself; ask its owner for a higher limit to go faster.`;
    case 'bandwidth':
      return "The job's bandwidth timetable holds it back, one limit for all runs whose jobs name it. Change the timetable to go faster.";
    case 'limit':
      return setLimitText(facts);
    case 'cpu':
      return 'The processor of a worker is busy all the time. Start another worker on another machine to go faster.';
    case 'listing':
      return 'Objects are still being listed and none is waiting to be copied. Nothing needs to be done.';
    case 'link':
      return `The network carries ${speed(facts.bytesPerSecond)}; neither store, no limit and no processor holds it back. A faster line, or another worker with a line of its own, goes faster.`;
    case 'latency':
      return `Small objects: most of the time requests wait for the stores' answers, ${Math.round(facts.itemsPerSecond)} objects a second. More transfers at a time for this job, another worker, or one nearer to the stores goes faster.`;
    default:
      return 'Nothing in particular: network and stores give what they can.';
  }
}

function setLimitText({ limit, source, target }: LimitFacts): string {
  if (limit === null) return 'A limit that was set holds it back. Raise the limits of the connectors or of the job.';
  const { what, of, most } = limit;
  const number = most === null ? '' : ` ${most}`;
  if (of === 'job') {
    return `This job may have${number} transfers at a time. Raise the transfers of the job (tuning.transfersMax) to go faster.`;
  }
  const name = of === 'source' ? `source connector "${source}"` : `target connector "${target}"`;
  return what === 'requests'
    ? `The ${name} may make${number} requests per second, over all runs. Raise its limit (limits.requestsPerSecond) to go faster.`
    : `The ${name} may have${number} transfers at a time, over all runs. Raise its limit (limits.transfersMax) to go faster.`;
}

const UNITS = ['B', 'kB', 'MB', 'GB'] as const;

function speed(bytesPerSecond: number): string {
  const step = Math.min(UNITS.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, bytesPerSecond)) / 3)));
  return `${Number((bytesPerSecond / 1_000 ** step).toPrecision(3))} ${UNITS[step]}/s`;
}
