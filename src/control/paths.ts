/** One rule for all paths that people type: of endpoints, and below them. */
import { subPathOf } from '../contract/places.ts';
import type { Manifest } from '../contract/provider.ts';
import { DroverError } from '../model/errors.ts';
import { keyLengthBytes } from '../model/key.ts';

export interface TypedPath {
  /** `''`, or ends with `/`. */
  readonly path: string;
  /** What looks as if it was not meant so. */
  readonly warnings: readonly string[];
}

/**
 * `a`, `/a` and `a/` are one folder. INVALID_INPUT at `field` for a path below which nothing can lie; `above`: what it is
 * below, within the container.
 */
export function typedPath(text: string, field: string, { title, target }: Manifest, above = ''): TypedPath {
  const path = subPathOf(text);
  const whole = above + path;
  const steps = path.split('/').slice(0, -1);
  const problem = problemOf(whole, steps, title, target?.names ?? null);
  if (problem !== null) throw new DroverError('INVALID_INPUT', problem, { field });
  const shown = JSON.stringify(path);
  return {
    path,
    warnings: [
      ...(text.startsWith('/') && text !== '/'
        ? [
            `The slash at the beginning of the path was left out; write two where names really begin with one. It is ${shown} now.`,
          ]
        : []),
      ...(steps.includes('')
        ? [
            `The path ${shown} has an empty name between its slashes: only keys that are written exactly so lie below it.`,
          ]
        : []),
      ...(steps.includes('.') || steps.includes('..')
        ? [
            `The path ${shown} has a "." or ".." in it, which keys take as names: it leads nowhere up, and only keys that are written exactly so lie below it.`,
          ]
        : []),
    ],
  };
}

function problemOf(
  whole: string,
  steps: readonly string[],
  title: string,
  names: NonNullable<Manifest['target']>['names'] | null,
): string | null {
  if (names === null || whole === '') return null;
  const { keyBytesMax, keyCharactersMax, segmentBytesMax } = names;
  const bytes = keyLengthBytes(whole);
  if (keyBytesMax !== null && bytes >= keyBytesMax) {
    return `The path has ${bytes} bytes, and a whole key in ${title} at most ${keyBytesMax}: nothing can lie below it.`;
  }
  if (keyCharactersMax !== null && whole.length >= keyCharactersMax) {
    return `The path has ${whole.length} characters, and a whole key in ${title} at most ${keyCharactersMax}: nothing can lie below it.`;
  }
  const long = segmentBytesMax === null ? undefined : steps.find((step) => keyLengthBytes(step) > segmentBytesMax);
  if (long !== undefined)
    return `A name of the path has more than ${segmentBytesMax} bytes, which ${title} cannot hold.`;
  if (!names.emptySegments && steps.includes('')) {
    return `The path has an empty name between its slashes, which ${title} cannot hold.`;
  }
  if (!names.dotSegments && (steps.includes('.') || steps.includes('..'))) {
    return `The path has a "." or ".." in it, which ${title} cannot hold as a name.`;
  }
  return null;
}
