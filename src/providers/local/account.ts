/** The folders that this process may use. */
import { mkdir, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type {
  Account,
  BrowsePage,
  CheckLine,
  CheckWish,
  Context,
  Place,
  PlaceIdentity,
  Source,
  SourceOptions,
  Target,
  TargetOptions,
  Use,
} from '../../contract/provider.ts';
import { throwIfCancelled } from '../../lib/system.ts';
import { DroverError } from '../../model/errors.ts';
import { keyToBytes } from '../../model/key.ts';
import { browseFolder } from './browse.ts';
import { checkPlace } from './check.ts';
import { identifyFolder } from './identity.ts';
import { errnoOf, fromErrno, isAbsent } from './errors.ts';
import { LocalSource, LocalTarget } from './ends.ts';
import { keyProblem, refuseRunId } from './names.ts';
import { resolveRoot, type Root } from './root.ts';

export class LocalAccount implements Account {
  readonly fingerprint: string;
  readonly #root: string;
  readonly #context: Context;

  /** `root`: real path that every place must lie in. */
  constructor(root: string, context: Context) {
    this.fingerprint = root === '/' ? 'local' : `local:${root}`;
    this.#root = root;
    this.#context = context;
  }

  async identify({ container, prefix }: Place): Promise<PlaceIdentity> {
    return identifyFolder(this.#containerPath(container), prefix);
  }

  async *check(place: Place | null, use: Use, signal: AbortSignal, wish?: CheckWish): AsyncGenerator<CheckLine> {
    throwIfCancelled(signal);
    yield* checkPlace(place, use, {
      open: (asked) => this.#open(asked),
      random: this.#context.random,
      signal,
      wish,
    });
  }

  async *browse(path: Place | null, signal: AbortSignal): AsyncGenerator<BrowsePage> {
    throwIfCancelled(signal);
    const root = await this.#open(path ?? { container: this.#root, prefix: '' });
    yield* browseFolder(root, path === null, signal);
  }

  readonly address = ({ container, prefix }: Place): string => {
    const folder = this.#containerPath(container);
    return folder === '/' ? `/${prefix}` : `${folder}/${prefix}`;
  };

  /** A prefix that no folder has is an empty source, as in every other store. */
  async source(place: Place, options: SourceOptions, signal: AbortSignal): Promise<Source> {
    throwIfCancelled(signal);
    if (options.versions === 'all') throw new DroverError('UNSUPPORTED', 'A folder keeps no versions.');
    const path = this.#containerPath(place.container);
    if ((await folderState(path)) === 'absent') throw noFolder(path);
    const root = await this.#open(place);
    return new LocalSource(root, place.prefix === '' || (await isFolder(root)));
  }

  /** The folder itself may be missing: the first write makes it. What it lies in must be there. */
  async target(place: Place, options: TargetOptions, signal: AbortSignal): Promise<Target> {
    throwIfCancelled(signal);
    const path = this.#containerPath(place.container);
    refuseRunId(options.runId);
    const above = dirname(path);
    if ((await folderState(path)) === 'absent' && (await folderState(above)) === 'absent') throw noFolder(above);
    const root = await this.#open(place);
    const { random, clock } = this.#context;
    return new LocalTarget({ root, runId: options.runId, random }, clock);
  }

  async makeContainer(name: string, signal: AbortSignal): Promise<'made' | 'existed'> {
    throwIfCancelled(signal);
    const path = this.#containerPath(name);
    try {
      await resolveRoot(path, '').then((root) => this.#refuseOutside(root, name));
      return (await makeFolders(path)) ? 'made' : 'existed';
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === 'EEXIST' || errno === 'ENOTDIR') {
        const words = `The folder ${path} cannot be made: a file stands in its way.`;
        throw new DroverError('ALREADY_EXISTS', words, { cause: error });
      }
      throw fromErrno(error, `Making ${path}`, null);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Nothing is held open between calls.
  }

  #containerPath(container: string): string {
    if (container.includes('\u0000')) {
      throw new DroverError('INVALID_INPUT', 'The path of a folder cannot hold a NUL character.', {
        field: 'container',
      });
    }
    return resolve(this.#root, container);
  }

  /** INVALID_INPUT for a prefix that no folder can have, PERMISSION_DENIED outside of the account's root. */
  async #open(place: Place): Promise<Root> {
    const problem = place.prefix === '' ? null : keyProblem(place.prefix);
    if (problem !== null) {
      const words = `No folder can be at ${JSON.stringify(place.prefix)}: ${problem}.`;
      throw new DroverError('INVALID_INPUT', words, { field: 'prefix' });
    }
    const root = await resolveRoot(this.#containerPath(place.container), place.prefix);
    this.#refuseOutside(root, place.container);
    return root;
  }

  #refuseOutside(root: Root, container: string): void {
    const inside = this.#root === '/' || root.label === this.#root || root.label.startsWith(`${this.#root}/`);
    if (inside) return;
    throw new DroverError('PERMISSION_DENIED', `"${container}" lies outside of the root folder ${this.#root}.`, {
      field: 'root',
      remedy: 'Choose a place inside the root folder of the connector, or change that.',
    });
  }
}

/**
 * True when something was made. Not `recursive`: below a folder that takes none, such as `/proc`, Node would try the
 * same one for ever.
 */
async function makeFolders(path: string): Promise<boolean> {
  const first = await tryFolder(path);
  if (first !== 'no-parent') return first === 'made';
  const parent = dirname(path);
  if (parent !== path) await makeFolders(parent);
  // Somebody else may have made the parent meanwhile, so only the second answer counts.
  const second = await tryFolder(path);
  if (second !== 'no-parent') return second === 'made';
  throw new DroverError('INVALID_INPUT', `No folder can be made in ${parent}.`, {
    field: 'container',
    remedy: 'Choose another folder.',
  });
}

async function tryFolder(path: string): Promise<'made' | 'existed' | 'no-parent'> {
  try {
    await mkdir(bytesOf(path));
    return 'made';
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ENOENT') return 'no-parent';
    const there = errno === 'EEXIST' ? await stat(bytesOf(path)).catch(() => null) : null;
    if (there?.isDirectory() === true) return 'existed';
    throw error;
  }
}

async function folderState(path: string): Promise<'folder' | 'absent'> {
  try {
    const stats = await stat(bytesOf(path));
    if (stats.isDirectory()) return 'folder';
  } catch (error) {
    if (isAbsent(error)) return 'absent';
    throw fromErrno(error, `Opening ${path}`, null);
  }
  throw new DroverError('PLACE_NOT_FOUND', `${path} is not a folder.`);
}

async function isFolder(root: Root): Promise<boolean> {
  try {
    const folder = await root.folder('');
    await folder?.[Symbol.asyncDispose]();
    return folder !== null;
  } catch (error) {
    if (isAbsent(error)) return false;
    throw fromErrno(error, `Opening ${root.label}`, null);
  }
}

/** Paths as bytes, because a name need not be text. */
function bytesOf(path: string): Buffer {
  return Buffer.from(keyToBytes(path));
}

function noFolder(path: string): DroverError {
  return new DroverError('PLACE_NOT_FOUND', `There is no folder ${path}.`);
}
