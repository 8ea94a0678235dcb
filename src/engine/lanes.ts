/** Who may work at the same time: small objects in many lanes, large ones in few, parts shared by all large ones. */
import { DroverError } from '../model/errors.ts';

/** At most `max` tasks at once, first come first served. A bound that is asked for may change while they work. */
export class Gate {
  readonly #max: () => number;
  #used = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(max: number | (() => number)) {
    this.#max = typeof max === 'number' ? () => max : max;
  }

  get isFull(): boolean {
    return this.#used >= this.#max();
  }

  get waitingCount(): number {
    return this.#waiting.length;
  }

  async enter(signal: AbortSignal): Promise<() => void> {
    if (signal.aborted) throw cancelled();
    if (!this.isFull) {
      this.#used += 1;
      return this.#leaving();
    }
    await new Promise<void>((resolve, reject) => {
      const stop = (): void => {
        const at = this.#waiting.indexOf(go);
        if (at >= 0) this.#waiting.splice(at, 1);
        reject(cancelled());
      };
      const go = (): void => {
        signal.removeEventListener('abort', stop);
        resolve();
      };
      signal.addEventListener('abort', stop, { once: true });
      this.#waiting.push(go);
    });
    return this.#leaving();
  }

  #leaving(): () => void {
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.#used -= 1;
      while (this.#waiting.length > 0 && !this.isFull) {
        this.#used += 1;
        (this.#waiting.shift() as () => void)();
      }
    };
  }
}

/** Runs `work` over indexes 0 … count−1, at most as many at once as the gate lets through; stops at the first failure. */
export async function forEachIndex(
  count: number,
  gate: Gate,
  signal: AbortSignal,
  work: (index: number, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const stop = new AbortController();
  const either = AbortSignal.any([signal, stop.signal]);
  const running = new Set<Promise<void>>();
  let failure: { readonly error: unknown } | null = null;
  for (let index = 0; index < count && failure === null; index++) {
    let leave: () => void;
    try {
      leave = await gate.enter(either);
    } catch (error) {
      failure ??= { error };
      break;
    }
    const task: Promise<void> = work(index, either)
      .catch((error: unknown) => {
        failure ??= { error };
        stop.abort();
      })
      .finally(() => {
        leave();
        running.delete(task);
      });
    running.add(task);
  }
  await Promise.all(running);
  if (failure !== null) throw (failure as { readonly error: unknown }).error;
}

export function cancelled(): DroverError {
  return new DroverError('CANCELLED', 'The work was stopped.');
}
