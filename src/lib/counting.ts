/** Counts requests by class of operation: what a service will put on the bill, how long it takes, how often it refuses. */
import type { OpenTransport } from './transport.ts';
import type { Clock } from './world.ts';

export interface RequestWatcher {
  sent(operation: string): void;
  /** The head of its answer is there; `null`: none came. A body may still be on its way. */
  answered(operation: string, status: number | null, tookMs: number): void;
}

/** A service asks to slow down. */
export function isThrottling(status: number): boolean {
  return status === 429 || status === 503;
}

/** Every transport opened by the result adds to `counts` when it sends. */
export function countRequests(open: OpenTransport, counts: Record<string, number>): OpenTransport {
  return (settings) => {
    const inner = open(settings);
    return {
      send(request) {
        counts[request.operation] = (counts[request.operation] ?? 0) + 1;
        return inner.send(request);
      },
      close: () => inner.close(),
    };
  };
}

/** Every transport opened by the result tells the watcher of each request. */
export function watchRequests(
  open: OpenTransport,
  { monotonic }: Pick<Clock, 'monotonic'>,
  watcher: RequestWatcher,
): OpenTransport {
  return (settings) => {
    const inner = open(settings);
    return {
      async send(request) {
        const { operation } = request;
        const sentAtMs = monotonic();
        watcher.sent(operation);
        let status: number | null = null;
        try {
          const response = await inner.send(request);
          ({ status } = response);
          return response;
        } finally {
          watcher.answered(operation, status, monotonic() - sentAtMs);
        }
      },
      close: () => inner.close(),
    };
  };
}
