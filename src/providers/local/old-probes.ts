/**
 * What a process that was killed while it looked at a folder has left there: the small file that it wrote to see whether
 * it may. Nobody lists it, and no run takes it for its own. Whoever looks at the folder next takes it away.
 */
import { constants } from 'node:fs';
import { open, opendir, unlink } from 'node:fs/promises';
import { nameOf } from './entries.ts';
import { parseOwnName } from './names.ts';
import type { Folder } from './root.ts';

/** Stands for a run in the name of such a file; no run is called so. */
export const CHECK_RUN_ID = 'drovercheck';
export const CHECK_CONTENT = 'drover';

/** Longer than any look takes. */
const AGE_MS = 15 * 60_000;
/** A folder of very many files is not read to its end for this. */
const ENTRIES_MAX = 100_000;

/** `nowMs`: by the clock of the file system, which may be another machine's. Never fails. */
export async function removeOldProbes(folder: Folder, nowMs: number): Promise<void> {
  try {
    let count = 0;
    for await (const child of await opendir(folder.path, { encoding: 'buffer' as BufferEncoding })) {
      const name = nameOf(child);
      const own = parseOwnName(name);
      const mayBe = own?.runId === CHECK_RUN_ID && own.ending === 'part' && child.isFile();
      if (mayBe && (await isOld(folder, name, nowMs))) await unlink(folder.child(name));
      if (++count === ENTRIES_MAX) return;
    }
  } catch {
    // It costs next to nothing where it is, and the next one tries again.
  }
}

/** Killed before it wrote, it left an empty one. */
async function isOld(folder: Folder, name: string, nowMs: number): Promise<boolean> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  await using handle = await open(folder.child(name), flags);
  const stats = await handle.stat();
  if (!stats.isFile() || stats.size > CHECK_CONTENT.length || !(nowMs - stats.mtimeMs > AGE_MS)) return false;
  return CHECK_CONTENT.startsWith(await handle.readFile('latin1'));
}
