/** Removing what a run left behind in a folder: files of Drover's own that carry the run's id. */
import { opendir, unlink } from 'node:fs/promises';
import type { Place } from '../../contract/provider.ts';
import { throwIfCancelled } from '../../lib/system.ts';
import { nameOf } from './entries.ts';
import { fromErrno, isAbsent, isLink } from './errors.ts';
import { readJournal } from './journal.ts';
import { parseOwnName, shown } from './names.ts';
import { resolveRoot, type Root } from './root.ts';

export interface SweepOptions {
  /** Uploads in parts that can still be continued stay; only interrupted plain writes go. */
  readonly keepUploads: boolean;
  readonly signal: AbortSignal;
}

/**
 * Removes the run's own leftover files in the place and everything below it, and says how many there were. Other runs'
 * files stay. `place.container` is an absolute path. A place that is not there has none.
 */
export async function sweepLeftovers(place: Place, runId: string, options: SweepOptions): Promise<number> {
  return sweepRoot(await resolveRoot(place.container, place.prefix), runId, options);
}

/** The same for a place that is open already. */
export async function sweepRoot(root: Root, runId: string, options: SweepOptions): Promise<number> {
  let removedCount = 0;
  const waiting = [''];
  for (let key = waiting.pop(); key !== undefined; key = waiting.pop()) {
    try {
      removedCount += await sweepFolder(root, key, runId, options, waiting);
    } catch (error) {
      if (!isAbsent(error) && !isLink(error))
        throw fromErrno(error, `Sweeping ${key === '' ? root.label : shown(key)}`, key);
    }
  }
  return removedCount;
}

async function sweepFolder(
  root: Root,
  key: string,
  runId: string,
  { keepUploads, signal }: SweepOptions,
  waiting: string[],
): Promise<number> {
  await using folder = await root.folder(key);
  if (folder === null) return 0;
  const found: string[] = [];
  const kept = new Set<string>();
  for await (const child of await opendir(folder.path, { encoding: 'buffer' as BufferEncoding })) {
    throwIfCancelled(signal);
    const name = nameOf(child);
    const own = parseOwnName(name);
    if (own?.runId === runId && child.isFile()) found.push(name);
    else if (child.isDirectory()) waiting.push(`${key}${name}/`);
  }
  for (const name of keepUploads ? found : []) {
    if (!name.endsWith('.journal')) continue;
    const journal = await readJournal(folder.child(name));
    if (journal !== null) kept.add(name).add(journal.head.part);
  }
  const leftovers = found.filter((name) => !kept.has(name));
  for (const name of leftovers) await unlink(folder.child(name));
  if (leftovers.length > 0) await folder.sync();
  return leftovers.length;
}
