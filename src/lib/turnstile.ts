/** A queue at a gate: whoever came first goes first, however small the need of those behind. */
import { cancelled } from './system.ts';

interface Waiter {
  /** Takes what it needs and says true, or takes nothing and says false. */
  readonly enter: () => boolean;
  readonly pass: () => void;
}

export class Turnstile {
  private readonly waiters = new Set<Waiter>();

  get waiting(): number {
    return this.waiters.size;
  }

  /** Resolves when everyone before has passed and `enter` has said true. CANCELLED leaves the queue. */
  pass(enter: () => boolean, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted === true) return Promise.reject(cancelled(signal));
    if (this.waiters.size === 0 && enter()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.waiters.delete(waiter);
        reject(cancelled(signal as AbortSignal));
        // The one that left may have been all that held the others up.
        this.wake();
      };
      const pass = (): void => {
        signal?.removeEventListener('abort', leave);
        resolve();
      };
      const waiter: Waiter = { enter, pass };
      signal?.addEventListener('abort', leave, { once: true });
      this.waiters.add(waiter);
    });
  }

  /** To be called whenever something has become free. */
  wake(): void {
    for (const waiter of this.waiters) {
      if (!waiter.enter()) return;
      this.waiters.delete(waiter);
      waiter.pass();
    }
  }
}
