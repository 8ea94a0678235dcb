/** Sees which side an error came from. The engine says what went wrong with a run, not whose connector it was. */
import { toDroverError, type DroverError } from '../../model/errors.ts';

/**
 * The same object, except that every failure of its methods, of their listings and contents, and of what hangs on it is
 * shown to `seen` before it goes on its way.
 */
export function watched<T extends object>(inner: T, seen: Seen): T {
  return watchedPart(inner, '', seen);
}

/** `part`: the name of what it hangs on, as of a facet; empty for the object itself. */
export type Seen = (error: DroverError, part: string) => void;

function watchedPart<T extends object>(inner: T, part: string, see: Seen): T {
  const seen = (error: DroverError): void => see(error, part);
  const children = new Map<object, object>();
  const childOf = (child: object, name: string): object => {
    const known = children.get(child);
    if (known !== undefined) return known;
    const made = watchedPart(child, name, see);
    children.set(child, made);
    return made;
  };
  return new Proxy(inner, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value === 'function') {
        return (...given: unknown[]) => watchedResult(Reflect.apply(value, target, given), seen);
      }
      // What can be done with it; plain data (traits, facts) is handed out as it is.
      const isPart = name === 'facets' || isFacet(value);
      return isPart ? childOf(value as object, String(name)) : value;
    },
  });
}

function isFacet(value: unknown): boolean {
  if (value === null || typeof value !== 'object') return false;
  let at: object | null = value;
  // Facets are literals with functions in them, or objects of a class.
  while (at !== null && at !== Object.prototype && at !== Array.prototype) {
    const methods = Object.values(Object.getOwnPropertyDescriptors(at)).filter(
      ({ value: one }) => typeof one === 'function',
    );
    if (methods.length > 0) return true;
    at = Object.getPrototypeOf(at) as object | null;
  }
  return false;
}

function watchedResult(result: unknown, seen: (error: DroverError) => void): unknown {
  if (result instanceof Promise) {
    return result.then(
      (value: unknown) => (isReading(value) ? { ...value, body: watchedStream(value.body, seen) } : value),
      (error: unknown) => {
        seen(toDroverError(error));
        throw error;
      },
    );
  }
  return isStream(result) ? watchedStream(result, seen) : result;
}

/** Content comes after the answer, and may fail by itself. */
function isReading(value: unknown): value is { readonly body: AsyncIterable<unknown> } {
  return value !== null && typeof value === 'object' && 'body' in value && isStream(value.body);
}

function isStream(value: unknown): value is AsyncIterable<unknown> {
  return value !== null && typeof value === 'object' && Symbol.asyncIterator in value;
}

async function* watchedStream<T>(stream: AsyncIterable<T>, seen: (error: DroverError) => void): AsyncGenerator<T> {
  try {
    yield* stream;
  } catch (error) {
    seen(toDroverError(error));
    throw error;
  }
}
