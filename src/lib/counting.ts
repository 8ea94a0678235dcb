/** Counts requests by class of operation: what a service will put on the bill. */
import type { OpenTransport } from './transport.ts';

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
