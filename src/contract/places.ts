/** Where places stand to each other. */
import type { Place, PlaceIdentity } from './provider.ts';

/**
 * True when a run from one to the other would read what it writes, or delete what it reads: they are one place, or one lies
 * inside the other, through whichever account or path each is reached. `only` as in `placesOverlap`.
 */
export function identitiesOverlap(source: PlaceIdentity, only: string | null, target: PlaceIdentity): boolean {
  if (source.store !== target.store) return false;
  if (placesOverlap(source, only, target)) return true;
  const [a, b] = [source.folder, target.folder];
  if (a === undefined || b === undefined) return false;
  return isAmong(b.itself, a.within) || (only === null && isAmong(a.itself, b.within));
}

function isAmong(mark: string | null, marks: readonly string[]): boolean {
  return mark !== null && marks.includes(mark);
}

/** The same without what holds only for a moment: for keeping, and for comparing letter by letter. */
export function lastingIdentity({ store, container, prefix }: PlaceIdentity): PlaceIdentity {
  return { store, container, prefix };
}

/** Of a place below that one. */
export function identityBelow(identity: PlaceIdentity, subPath: string): PlaceIdentity {
  return { ...lastingIdentity(identity), prefix: identity.prefix + subPath };
}

/**
 * True when one place lies inside the other or both are the same; both in the same store. A run between such places
 * would read what it writes. `only`: the source is this one object, so a target below its folder is harmless.
 */
export function placesOverlap(source: Place, only: string | null, target: Place): boolean {
  const [a, b] = [subtreeOf(source), subtreeOf(target)];
  return a.startsWith(b) || (only === null && b.startsWith(a));
}

/** Of the place that it is below. */
export function identityAbove(identity: PlaceIdentity, subPath: string): PlaceIdentity {
  return { ...lastingIdentity(identity), prefix: identity.prefix.slice(0, identity.prefix.length - subPath.length) };
}

/**
 * Where something that is written to the target would show up at the source, were both the same store under two names;
 * `null`: nowhere, or only in a folder that would stay behind where the target has real ones (`hasFolders`). `below`:
 * folder of the target to write it in; `keyAt`: of what has that key at the target.
 */
export function probeBetween(
  source: Place,
  target: Place,
  hasFolders: boolean,
): { readonly below: string; keyAt(key: string): string } | null {
  if (target.prefix.startsWith(source.prefix)) {
    const inside = target.prefix.slice(source.prefix.length);
    return { below: '', keyAt: (key) => inside + key };
  }
  if (hasFolders || !source.prefix.startsWith(target.prefix)) return null;
  const below = source.prefix.slice(target.prefix.length);
  return { below, keyAt: (key) => key.slice(below.length) };
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

/** As somebody writes it, so that `subPathOf` gives it again. */
export function writtenPath(path: string): string {
  return path.startsWith('/') ? `/${path}` : path;
}
