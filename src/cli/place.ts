/** Places as people write them: `NAME:bucket/prefix`, or a local path. Pure. */
import type { Place } from '../contract/provider.ts';
import { DroverError } from '../model/errors.ts';

/** What the text says, before anyone looked whether it exists. */
export type PlaceText =
  | {
      readonly kind: 'remote';
      readonly text: string;
      /** As it was written; names compare without case. */
      readonly connector: string;
      /** `''` for `NAME:` alone. */
      readonly container: string;
      /** Literal, what stands after the first `/`; may be empty, hold `//` or `..`. */
      readonly path: string;
    }
  | { readonly kind: 'local'; readonly text: string };

/** One letter is no name: `C:\photos` is a local path. */
const CONNECTOR_NAME = /^[A-Za-z][A-Za-z0-9_-]+$/;

export function isConnectorName(name: string): boolean {
  return CONNECTOR_NAME.test(name);
}

/** The head of its environment names: without case, and with `_` for `-`, which such a name cannot hold. */
export function environmentHead(connector: string): string {
  return `DROVER_CONNECTOR_${connector.toUpperCase().replaceAll('-', '_')}_`;
}

/** USAGE for an empty text, or a bucket that is missing before a `/`. */
export function parsePlace(text: string): PlaceText {
  if (text === '') throw new DroverError('USAGE', 'A place is empty. Write NAME:bucket/path, or a local path.');
  const colon = text.indexOf(':');
  const name = colon === -1 ? '' : text.slice(0, colon);
  if (!isConnectorName(name)) {
    if (text.includes('\0')) throw new DroverError('USAGE', 'A local path cannot hold a zero byte.');
    return { kind: 'local', text };
  }
  const rest = text.slice(colon + 1);
  const slash = rest.indexOf('/');
  const container = slash === -1 ? rest : rest.slice(0, slash);
  const path = slash === -1 ? '' : rest.slice(slash + 1);
  if (container === '' && rest !== '') {
    throw new DroverError('USAGE', `"${text}" names no bucket. Write it before the first "/": ${name}:bucket/path.`);
  }
  return { kind: 'remote', text, connector: name, container, path };
}

/** Every key that starts with the path, as a folder: `p` and `p/` are the same place. */
export function prefixPlace(container: string, path: string): Place {
  return { container, prefix: path === '' || path.endsWith('/') ? path : `${path}/` };
}

/** The one object the path may name instead: its folder and its key in there. `null` for a whole bucket. */
export function objectPlace(container: string, path: string): { readonly place: Place; readonly key: string } | null {
  const fullKey = path.endsWith('/') ? path.slice(0, -1) : path;
  if (fullKey === '') return null;
  // A slash at the very end belongs to the name; searching from -1 would still look at the first character.
  const at = fullKey.length < 2 ? 0 : fullKey.lastIndexOf('/', fullKey.length - 2) + 1;
  return { place: { container, prefix: fullKey.slice(0, at) }, key: fullKey.slice(at) };
}
