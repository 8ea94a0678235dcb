/**
 * What is known of a failure beside the error itself: which side refused, and how often the item was tried. Kept with
 * the error object, so that it comes along however far the error is thrown.
 */
import { DroverError, toDroverError } from '../model/errors.ts';
import type { SideName } from './denials.ts';

const SIDES = new WeakMap<object, SideName>();
const TRIES = new WeakMap<object, number>();

/**
 * The first word counts, also behind an error that only tells of it: content of the source that breaks off inside of a
 * write is no fault of the target.
 */
export function noteSide(thrown: unknown, side: SideName): void {
  if (thrown instanceof Error && sideOf(thrown) === null) SIDES.set(thrown, side);
}

/** Runs a request to that side. */
export async function atSide<T>(side: SideName, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    noteSide(thrown, side);
    throw thrown;
  }
}

/** The same content; when it breaks off it is known whose it was. */
export function contentOf(side: SideName, content: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  return {
    [Symbol.asyncIterator]() {
      const inner = content[Symbol.asyncIterator]();
      const { return: leave } = inner;
      return {
        next: () => atSide(side, () => inner.next()),
        ...(leave === undefined ? {} : { return: (value?: unknown) => leave.call(inner, value) }),
      };
    },
  };
}

/** `null`: it was neither side's, or nobody knows. */
export function sideOf(thrown: unknown): SideName | null {
  for (let one = thrown; one instanceof Error; one = one.cause) {
    const side = SIDES.get(one);
    if (side !== undefined) return side;
  }
  return null;
}

/**
 * What the source has removed is left out. What is gone from the target, or on the way to it, is no reason to leave an item
 * out: it was written to there.
 */
export function ofItsSide(thrown: unknown): DroverError {
  const error = toDroverError(thrown);
  if (error.code !== 'NOT_FOUND' || sideOf(thrown) !== 'target') return error;
  return new DroverError('CHANGED', `At the target: ${error.message}`, { key: error.key, cause: thrown });
}

/** `thrown` as an error that knows how often its item was tried. */
export function afterTries(thrown: unknown, tries: number): DroverError {
  const error = toDroverError(thrown);
  TRIES.set(error, tries);
  return error;
}

/** For the record of an item that failed: what was not counted was tried once. */
export function factsOf(thrown: unknown): { readonly side?: SideName; readonly attempts: number } {
  const side = sideOf(thrown);
  return { ...(side === null ? {} : { side }), attempts: TRIES.get(thrown as object) ?? 1 };
}
