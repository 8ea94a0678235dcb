/** Removing what is still in the state that was listed. */
import { rmdir, unlink } from 'node:fs/promises';
import { throwIfCancelled } from '../../lib/system.ts';
import type { Entry } from '../../model/entry.ts';
import { changed, identityOf, lstatOrNull, parentOrNull, sameIdentity } from './entries.ts';
import { errnoOf, fromErrno } from './errors.ts';
import { keyProblem, shown } from './names.ts';
import type { Root } from './root.ts';

/** The state is looked at immediately before: between that and the removal another program could still slip in. */
export async function removeEntry(
  root: Root,
  entry: Entry,
  signal: AbortSignal,
): Promise<'removed' | 'absent' | 'kept'> {
  throwIfCancelled(signal);
  if (keyProblem(entry.key) !== null) return 'absent';
  try {
    await using parent = await parentOrNull(root, entry.key);
    if (parent === null) return 'absent';
    const { folder, name } = parent;
    const stats = await lstatOrNull(folder, name);
    if (stats === null) return 'absent';
    const isFolder = entry.kind === 'folder';
    if (stats.isDirectory() !== isFolder || !sameIdentity(identityOf(stats), entry.identity)) throw changed(entry.key);
    throwIfCancelled(signal);
    if (isFolder) await rmdir(folder.child(name));
    else await unlink(folder.child(name));
    await folder.sync();
    return 'removed';
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ENOENT') return 'absent';
    if (entry.kind === 'folder' && (errno === 'ENOTEMPTY' || errno === 'EEXIST')) return 'kept';
    throw fromErrno(error, `Removing ${shown(entry.key)}`, entry.key);
  }
}
