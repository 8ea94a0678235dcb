/** Whether anything can be written at a place at all, found out by writing and removing a file of our own. */
import { unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { throwIfCancelled } from '../../lib/system.ts';
import { DroverError } from '../../model/errors.ts';
import { errnoOf, fromErrno } from './errors.ts';
import { makeOwnFile } from './placing.ts';
import { resolveRoot, type Folder, type Root } from './root.ts';
import type { Writer } from './writing.ts';

/** PLACE_NOT_FOUND where a file stands in the place of a folder; otherwise what the first write would fail with. */
export async function refuseUnwritable(writer: Writer, signal: AbortSignal): Promise<void> {
  throwIfCancelled(signal);
  let root: Root = writer.root;
  for (;;) {
    await using folder = await opened(root);
    if (folder !== null) return await tryWriting(folder, root, writer);
    // What is missing is made by the first write, in the nearest folder that is there.
    const above = dirname(root.label);
    if (above === root.label) throw new DroverError('PLACE_NOT_FOUND', `There is no folder ${root.label}.`);
    root = await resolveRoot(above, '');
  }
}

async function opened(root: Root): Promise<Folder | null> {
  try {
    return await root.folder('');
  } catch (error) {
    if (errnoOf(error) === 'ENOTDIR') {
      throw new DroverError('PLACE_NOT_FOUND', `${root.label} cannot be a folder: a file stands there or on the way.`, {
        cause: error,
        remedy: 'Choose another folder, or move the file out of the way.',
      });
    }
    throw fromErrno(error, `Opening the folder ${root.label}`, null);
  }
}

async function tryWriting(folder: Folder, root: Root, { runId, random }: Writer): Promise<void> {
  try {
    const { name, handle } = await makeOwnFile(folder, runId, random, 'part');
    await handle.close();
    await unlink(folder.child(name));
  } catch (error) {
    throw fromErrno(error, `Writing into the folder ${root.label}`, null);
  }
}
