/**
 * Keeps an account's requests at what its service gives gladly: so many a second per class of operation, and so many at
 * one time, found by trying: a little more while all goes well, much less as soon as the service asks for it.
 */
import { Concurrency, type ConcurrencySnapshot } from './concurrency.ts';
import type { HttpRequest, HttpResponse, OpenTransport, Transport } from './transport.ts';
import type { Clock } from './world.ts';

export interface RequestLimits {
  readonly clock: Clock;
  /** Requests at one time to begin with; reads and writes have as many each. */
  readonly concurrencyStart: number;
  readonly concurrencyMax: number;
  /** Requests per second by class of operation (`LIST`, `PUT`, …); `*` holds for all of them together. */
  readonly requestsPerSecond?: Readonly<Record<string, number>>;
}

/** Without the clock: what suits an object store that nobody said more about. */
export const DEFAULT_LIMITS = { concurrencyStart: 32, concurrencyMax: 256 } as const;

export interface LimitSnapshot extends ConcurrencySnapshot {
  /** Requests held back by a rate per second now. */
  readonly waitingForRate: number;
}

export type LimitedOpenTransport = OpenTransport & { readonly snapshot: () => LimitSnapshot };

/**
 * Every transport opened by the result shares one set of limits: open one per account. A 429 or 503 is still handed to
 * the caller, who repeats the request; the limits see to it that this happens later and with fewer others. CANCELLED
 * while a request is held back.
 *
 * A request counts until its answer begins; a body that is still being read does not count, because its reader may need
 * further requests of the same account to go on. For the same reason requests with a body wait only for each other.
 */
export function limitRequests(open: OpenTransport, limits: RequestLimits): LimitedOpenTransport {
  const { clock } = limits;
  const concurrency = new Concurrency(limits);
  const rates = new Map<string, Rate>();
  for (const [operation, perSecond] of Object.entries(limits.requestsPerSecond ?? {})) {
    rates.set(operation, new Rate(clock, perSecond));
  }
  const shared = [...rates].filter(([operation]) => operation === '*').map(([, rate]) => rate);

  async function send(inner: Transport, request: HttpRequest): Promise<HttpResponse> {
    for (const rate of [rates.get(request.operation), ...shared]) await rate?.wait(request.signal);
    const slot = await concurrency.enter(request.body === null ? 'read' : 'write', request.signal);
    try {
      const response = await inner.send(request);
      slot.answered(request, response);
      return response;
    } finally {
      slot.leave();
    }
  }

  const limited = (settings: Parameters<OpenTransport>[0]): Transport => {
    const inner = open(settings);
    return { send: (request) => send(inner, request), close: () => inner.close() };
  };
  return Object.assign(limited, {
    snapshot: () => ({
      ...concurrency.snapshot(),
      waitingForRate: [...rates.values()].reduce((sum, rate) => sum + rate.waiting, 0),
    }),
  });
}

/** So many a second, evenly, with at most one second's worth at once after a quiet time. */
class Rate {
  waiting = 0;
  private readonly clock: Clock;
  private readonly stepMs: number;
  private readonly burstMs: number;
  /** When the next one may go, if there had been no burst to save up. */
  private dueMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, perSecond: number) {
    this.clock = clock;
    this.stepMs = 1000 / perSecond;
    this.burstMs = Math.max(0, 1000 - this.stepMs);
  }

  async wait(signal: AbortSignal): Promise<void> {
    const nowMs = this.clock.monotonic();
    const startMs = Math.max(this.dueMs, nowMs - this.burstMs);
    this.dueMs = startMs + this.stepMs;
    if (startMs <= nowMs) return;
    this.waiting++;
    try {
      await this.clock.sleep(startMs - nowMs, signal);
    } finally {
      this.waiting--;
    }
  }
}
