/** Sums of request counts. */
import type { RequestCounts } from './ports.ts';

export function addRequests(a: RequestCounts, b: RequestCounts): RequestCounts {
  return { source: addCounts(a.source, b.source), target: addCounts(a.target, b.target) };
}

function addCounts(a: Readonly<Record<string, number>>, b: Readonly<Record<string, number>>): Record<string, number> {
  const sum: Record<string, number> = { ...a };
  for (const [name, count] of Object.entries(b)) sum[name] = (sum[name] ?? 0) + count;
  return sum;
}
