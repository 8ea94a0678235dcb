/** Connections to one origin: each carries one request at a time and is kept for the next one. */
import Client from 'undici/lib/dispatcher/client.js';
import type { Connecting, Connector } from './http-connect.ts';
import { cancelled, throwIfCancelled } from './system.ts';

/** Services close idle connections after 5 to 20 seconds; leaving first saves the request that would meet that. */
const KEEP_ALIVE_MS = 8_000;
/** A hint of the service may stretch it. */
const KEEP_ALIVE_MS_MAX = 60_000;
const HEADER_BYTES_MAX = 64 * 1024;

export interface Lane {
  readonly client: Client;
  /** Requests that the present connection has carried; above 0 the service may have closed it meanwhile. */
  carried: number;
  /** The connection that is being opened now. */
  connecting: Connecting | null;
}

interface Waiter {
  readonly resolve: (lane: Lane) => void;
  readonly stop: () => void;
  readonly signal: AbortSignal;
}

export class Lanes {
  private readonly origin: string;
  private readonly connect: Connector;
  private readonly lanesMax: number;
  private readonly idle: Lane[] = [];
  private readonly waiters = new Set<Waiter>();
  private count = 0;
  private isClosed = false;

  constructor(origin: string, connect: Connector, lanesMax: number) {
    this.origin = origin;
    this.connect = connect;
    this.lanesMax = Math.max(1, lanesMax);
  }

  /** The connection used last, a new one, or the first that comes back; in order of asking. CANCELLED. */
  acquire(signal: AbortSignal): Promise<Lane> {
    throwIfCancelled(signal);
    const lane = this.idle.pop() ?? (this.count < this.lanesMax ? this.open() : undefined);
    if (lane !== undefined) return Promise.resolve(lane);
    return new Promise((resolve, reject) => {
      const stop = (): void => {
        this.waiters.delete(waiter);
        reject(cancelled(signal));
      };
      const waiter: Waiter = { resolve, stop, signal };
      signal.addEventListener('abort', stop, { once: true });
      this.waiters.add(waiter);
    });
  }

  release(lane: Lane): void {
    for (const waiter of this.waiters) {
      this.waiters.delete(waiter);
      waiter.signal.removeEventListener('abort', waiter.stop);
      return waiter.resolve(lane);
    }
    if (this.isClosed) void this.drop(lane);
    else this.idle.push(lane);
  }

  /** Closes what is idle now; a connection in use is closed when it comes back. */
  async close(): Promise<void> {
    this.isClosed = true;
    await Promise.all(this.idle.splice(0).map((lane) => this.drop(lane)));
  }

  private open(): Lane {
    const client = new Client(this.origin, {
      connect: (wanted, callback) => {
        lane.connecting = this.connect(wanted, (...outcome) => {
          lane.connecting = null;
          callback(...outcome);
        });
      },
      allowH2: false,
      pipelining: 1,
      // Whatever the environment says: chunks of the usual parser belong to us.
      useMilo: false,
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAliveMaxTimeout: KEEP_ALIVE_MS_MAX,
      maxHeaderSize: HEADER_BYTES_MAX,
      // Silence is watched per request, where waiting for our own side can be told from waiting for the service.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    const lane: Lane = { client, carried: 0, connecting: null };
    client.on('connect', () => (lane.carried = 0));
    this.count++;
    return lane;
  }

  private drop(lane: Lane): Promise<void> {
    this.count--;
    return lane.client.destroy();
  }
}
