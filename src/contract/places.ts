/** Where places stand to each other; both in one account. */
import type { Place } from './provider.ts';

/**
 * True when one place lies inside the other or both are the same; both in the same store. A run between such places
 * would read what it writes. `only`: the source is this one object, so a target below its folder is harmless.
 */
export function placesOverlap(source: Place, only: string | null, target: Place): boolean {
  const [a, b] = [subtreeOf(source), subtreeOf(target)];
  return a.startsWith(b) || (only === null && b.startsWith(a));
}

/** Everything in it begins with this. Folders of one machine may lie in one another, so container and prefix are one path. */
export function subtreeOf({ container, prefix }: Place): string {
  return `${container.endsWith('/') ? container : `${container}/`}${prefix}`;
}

/** The place below it; `subPath` is `''` or ends with `/`. */
export function placeBelow(place: Place, subPath: string): Place {
  return { container: place.container, prefix: place.prefix + subPath };
}

/** `''`, or the path with exactly the `/` at its end that makes it a prefix; one at its beginning is left out. */
export function subPathOf(text: string): string {
  const path = text.startsWith('/') ? text.slice(1) : text;
  return path === '' || path.endsWith('/') ? path : `${path}/`;
}
