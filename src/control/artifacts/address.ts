/** Where artifacts are kept when it is not a folder: addresses and the names within. */
import type { Place } from '../../contract/provider.ts';

/** The same names as those of a folder, so that a store can be moved from one to the other. */
export const NAME_SEGMENT = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;

export interface ArtifactAddress {
  readonly provider: string;
  readonly place: Place;
  /** What the address says of the account. */
  readonly config: Readonly<Record<string, string>>;
}

/** `s3://bucket/prefix` or `azure-blob://account/container/prefix`; `null` for anything else. */
export function parseArtifactAddress(address: string): ArtifactAddress | null {
  const match = /^(s3|azure-blob):\/\/([^?#]*)$/.exec(address);
  if (match === null) return null;
  const [, provider = '', rest = ''] = match;
  const words = rest.replace(/\/+$/, '').split('/');
  const accountName = provider === 'azure-blob' ? words.shift() : undefined;
  const [container = '', ...below] = words;
  if (container === '' || accountName === '' || !below.every((one) => NAME_SEGMENT.test(one))) return null;
  const prefix = below.map((one) => `${one}/`).join('');
  return { provider, place: { container, prefix }, config: accountName === undefined ? {} : { accountName } };
}

/** Whether artifacts are not in a folder, but at an address (which `parseArtifactAddress` may still refuse). */
export function isElsewhere(artifacts: string | null): artifacts is string {
  return artifacts !== null && /^[a-z][a-z0-9+.-]*:\/\//i.test(artifacts);
}
