/** The line that shows how far a run is, from its picture at one moment. */
import type { Progress } from '../engine/definition.ts';
import type { ItemCounts } from '../model/outcome.ts';
import { formatPercent, formatRange, type Format } from './format.ts';
import { OBJECTS } from './texts.ts';

/** One line; a percentage or a time before everything has been counted only where something was expected. */
export function progressLine(progress: Progress, format: Format, percentDone: number | null): string {
  return progressParts(progress, format, percentDone).join('  ');
}

/** The same in pieces, the most important first: where there is no room, the last ones are left out. */
export function progressParts(progress: Progress, format: Format, percentDone: number | null): string[] {
  const { counters } = progress;
  const doneItems = settledItems(counters.items);
  const isExpected = !progress.listingComplete && progress.expected !== undefined;
  const seenItems = doneItems + progress.pendingItems;
  const totalItems = isExpected ? Math.max(seenItems, progress.expected?.items ?? 0) : seenItems;
  const doneBytes = arrivedBytes(progress);
  const totalBytes = counters.bytes.copied + progress.pendingBytes;
  const [of, ofItems] = progress.listingComplete
    ? ['of', 'of']
    : ['of at least', isExpected ? 'of about' : 'of at least'];
  const parts = [phaseWord(progress)];
  if (percentDone !== null) parts.push(`${percentDone} %`);
  if (totalBytes > 0) parts.push(format.bytesOf(doneBytes, totalBytes, of));
  parts.push(`${format.count(doneItems)} ${ofItems} ${format.plural(totalItems, OBJECTS)}`);
  if (counters.items.failed > 0) parts.push(`${format.count(counters.items.failed)} failed`);
  if (progress.phase === 'copying' && progress.bytesPerSecond > 0) parts.push(format.speed(progress.bytesPerSecond));
  if (progress.phase === 'copying' && (progress.listingComplete || isExpected) && progress.remainingMs !== null) {
    const guess = isExpected && progress.remainingMs.confidence === 'low' ? ' (a guess)' : '';
    parts.push(`${formatRange(progress.remainingMs)} left${guess}`);
  }
  const limit = progress.limitWords ?? LIMIT_WORDS[progress.limitedBy];
  if (limit !== null && progress.phase === 'copying') parts.push(`limited by ${limit}`);
  return parts;
}

const LIMIT_WORDS: Readonly<Record<Progress['limitedBy'], string | null>> = {
  source: 'the source',
  target: 'the target',
  bandwidth: '--bwlimit',
  limit: '--transfers',
  cpu: 'the processor',
  listing: 'the listing',
  link: 'the network',
  latency: 'the time small objects wait for answers',
  none: null,
};

export function phaseWord(progress: Progress): string {
  switch (progress.phase) {
    case 'starting':
      return 'starting';
    case 'copying':
      return progress.listingComplete || settledItems(progress.counters.items) > 0 ? 'copying' : 'counting';
    case 'names':
      return progress.pendingItems > 0 ? 'copying under mapped names' : 'copying';
    case 'deleting':
      return 'deleting';
    case 'settling':
      return 'writing the report';
    default:
      return 'done';
  }
}

/** Bytes where there are any, else objects; `null` while counting, where nothing was expected. Never 100 before the end. */
export function percentOf(progress: Progress): number | null {
  if (progress.expected !== undefined) return progress.expected.percent;
  if (!progress.listingComplete || progress.phase === 'starting') return null;
  const { items, bytes } = progress.counters;
  const totalBytes = bytes.copied + progress.pendingBytes;
  const doneItems = settledItems(items);
  const share =
    totalBytes > 0
      ? formatPercent(arrivedBytes(progress), totalBytes)
      : formatPercent(doneItems, doneItems + progress.pendingItems);
  return Number.parseInt(share, 10);
}

/** With what has arrived of the objects that are still moving. */
function arrivedBytes({ counters, current, pendingBytes }: Progress): number {
  const movingBytes = current.reduce((sum, { doneBytes }) => sum + doneBytes, 0);
  return counters.bytes.copied + Math.min(movingBytes, pendingBytes);
}

function settledItems(items: ItemCounts): number {
  return items.copied + items.same + items.excluded + items.skipped + items.unsupported + items.failed;
}
