/** The last step of a write: a finished file takes its name, all at once and only if the expectation holds. */
import { constants, type BigIntStats } from 'node:fs';
import { link, open, rename, unlink, type FileHandle } from 'node:fs/promises';
import type { Expectation } from '../../contract/provider.ts';
import type { Random } from '../../lib/world.ts';
import { DroverError } from '../../model/errors.ts';
import { identityOf, lstatOrNull, sameIdentity } from './entries.ts';
import { errnoOf } from './errors.ts';
import { ownName, shown, type OwnName } from './names.ts';
import type { Folder } from './root.ts';

const NEW_FILE_FLAGS = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
const RANDOM_BYTES = 8;

/** The umask takes from it, as it does for every program that makes files. */
const FILE_MODE = 0o666;

/** A new file of Drover's own in this folder, open for writing. */
export async function makeOwnFile(
  folder: Folder,
  runId: string,
  random: Random,
  ending: OwnName['ending'],
): Promise<{ name: string; handle: FileHandle }> {
  const name = ownName(runId, Buffer.from(random.bytes(RANDOM_BYTES)).toString('hex'), ending);
  return { name, handle: await open(folder.child(name), NEW_FILE_FLAGS, FILE_MODE) };
}

/**
 * CHANGED when the expectation does not hold now, UNREPRESENTABLE when a folder has the file's name. Resolves with
 * what is there.
 */
export async function refuseUnexpected(
  folder: Folder,
  name: string,
  key: string,
  expect: Expectation,
): Promise<BigIntStats | null> {
  const stats = await lstatOrNull(folder, name);
  if (stats?.isDirectory() === true) {
    const words = `${shown(key)} cannot be written as a file: a folder has that name.`;
    throw new DroverError('UNREPRESENTABLE', words, { key });
  }
  if (expect.kind === 'absent' && stats !== null) throw unexpected(key, 'something is there already');
  if (expect.kind !== 'match') return stats;
  if (stats === null) throw unexpected(key, 'what was to be replaced is not there any more');
  if (!sameIdentity(identityOf(stats), expect.identity)) throw unexpected(key, 'it was written to after it was listed');
  return stats;
}

/** The new file may be read by whom the old one may: replacing content must not open it up to others. */
export async function keepRights(handle: FileHandle, before: BigIntStats | null): Promise<void> {
  if (before?.isFile() === true) await handle.chmod(Number(before.mode & 0o777n));
}

/**
 * Gives the file its name. `absent` is kept by the system itself. For `match` the state is looked at immediately
 * before: between that and the renaming another program could still slip in.
 */
export async function giveName(
  folder: Folder,
  temporaryName: string,
  name: string,
  key: string,
  expect: Expectation,
): Promise<void> {
  await refuseUnexpected(folder, name, key, expect);
  const temporary = folder.child(temporaryName);
  const final = folder.child(name);
  if (expect.kind === 'absent' && (await linked(temporary, final, key))) {
    await unlink(temporary);
  } else {
    try {
      await rename(temporary, final);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') throw unexpected(key, 'its folder was removed while it was written');
      throw error;
    }
  }
  await folder.sync();
}

/** False where the file system knows no second names: then a rename after a look has to do. */
async function linked(temporary: Buffer, final: Buffer, key: string): Promise<boolean> {
  try {
    await link(temporary, final);
    return true;
  } catch (error) {
    const name = errnoOf(error);
    if (name === 'EEXIST') throw unexpected(key, 'something is there already');
    if (name === 'EPERM' || name === 'ENOTSUP' || name === 'EOPNOTSUPP' || name === 'EMLINK') return false;
    throw error;
  }
}

function unexpected(key: string, why: string): DroverError {
  return new DroverError('CHANGED', `${shown(key)} was not written: ${why}.`, { key });
}
