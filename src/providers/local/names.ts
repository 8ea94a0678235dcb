/** Which keys a folder can hold, and the names that Drover keeps for itself there. */
import { DroverError } from '../../model/errors.ts';
import { keyFromBytes, keyLengthBytes, keyToBytes } from '../../model/key.ts';
import type { NameRules } from '../../model/names.ts';

const SEGMENT_BYTES_MAX = 255;
/** The longest path the system takes has 4,095 bytes; this leaves room for the folder that the keys lie in. */
const KEY_BYTES_MAX = 3_840;

export const NAME_RULES: NameRules = {
  keyBytesMax: KEY_BYTES_MAX,
  keyCharactersMax: null,
  segmentBytesMax: SEGMENT_BYTES_MAX,
  segmentsMax: null,
  emptySegments: false,
  dotSegments: false,
  trailingDot: true,
  trailingSpace: true,
  trailingSlashContent: false,
  // NUL, and the surrogates that stand for no byte.
  forbidden: [
    { from: 0, to: 0 },
    { from: 0xd800, to: 0xdc7f },
    { from: 0xdd00, to: 0xdfff },
  ],
  invalidUtf8: true,
  objectAndPrefix: false,
  caseSensitive: true,
};

/** Files of Drover's own in folders that it writes to: `.drover-<run>-<random>.part`, `.journal`. Never listed. */
const OWN_NAME = /^\.drover-([a-z0-9]{8,26})-[0-9a-f]{16}\.(part|journal)$/;

const RUN_ID = /^[a-z0-9]{8,26}$/;

/** INTERNAL for an id whose files would not be recognised as Drover's own. */
export function refuseRunId(runId: string): void {
  if (!RUN_ID.test(runId)) throw new DroverError('INTERNAL', `"${runId}" cannot be the id of a run.`);
}

export interface OwnName {
  readonly runId: string;
  readonly ending: 'part' | 'journal';
}

/** What the name says, if it is one of Drover's own. */
export function parseOwnName(name: string): OwnName | null {
  const found = OWN_NAME.exec(name);
  return found === null ? null : { runId: String(found[1]), ending: found[2] as OwnName['ending'] };
}

export function ownName(runId: string, random: string, ending: OwnName['ending']): string {
  return `.drover-${runId}-${random}.${ending}`;
}

/** Why the key cannot be a path below the folder, as the end of a sentence; `null` when it can. */
export function keyProblem(key: string): string | null {
  if (key === '' || key === '/') return 'it is empty';
  if (key.includes('\u0000')) return 'it holds a NUL character';
  if (!key.isWellFormed() && keyFromBytes(keyToBytes(key)) !== key) return 'it holds half a character';
  if (keyLengthBytes(key) > KEY_BYTES_MAX) return `it is longer than ${KEY_BYTES_MAX} bytes`;
  for (const segment of segmentsOf(key)) {
    if (segment === '') return 'a part of it between two slashes is empty';
    if (segment === '.' || segment === '..') return `it holds "${segment}" as a step`;
    if (keyLengthBytes(segment) > SEGMENT_BYTES_MAX) return `a part of it is longer than ${SEGMENT_BYTES_MAX} bytes`;
    if (parseOwnName(segment) !== null) return 'Drover keeps names of this form for its own files';
  }
  return null;
}

/** UNREPRESENTABLE, before anything is touched, when a folder cannot hold the key as this kind. */
export function refuseKey(key: string, kind: 'object' | 'folder'): void {
  const problem =
    keyProblem(key) ??
    (kind === 'object' && key.endsWith('/') ? 'it ends with a slash, as only folders do' : null) ??
    (kind === 'folder' && !key.endsWith('/') ? 'the key of a folder ends with a slash' : null);
  if (problem === null) return;
  throw new DroverError('UNREPRESENTABLE', `A folder cannot hold ${shown(key)}: ${problem}.`, { key });
}

/** Steps of the path; the slash at the end of a folder's key is none. */
export function segmentsOf(key: string): string[] {
  return (key.endsWith('/') ? key.slice(0, -1) : key).split('/');
}

/** A key as it stands in a sentence. */
export function shown(key: string): string {
  return JSON.stringify(key);
}
