/** One level of a folder, for pickers and listings. */
import { opendir } from 'node:fs/promises';
import type { BrowsePage } from '../../contract/provider.ts';
import { throwIfCancelled } from '../../lib/system.ts';
import { compareKeys } from '../../model/key.ts';
import { fileEntry, lstatOrNull, nameOf } from './entries.ts';
import { fromErrno } from './errors.ts';
import { parseOwnName } from './names.ts';
import type { Root } from './root.ts';
import { DroverError } from '../../model/errors.ts';

type Item = BrowsePage['items'][number];

const PAGE_ITEMS = 1_000;

/** `onlyContainers`: folders alone, as the account's containers. Names of folders end with `/` otherwise. */
export async function* browseFolder(
  root: Root,
  onlyContainers: boolean,
  signal: AbortSignal,
): AsyncGenerator<BrowsePage> {
  const names = await namesIn(root, onlyContainers, signal);
  for (let at = 0; at < names.length || at === 0; at += PAGE_ITEMS) {
    throwIfCancelled(signal);
    yield { items: await itemsOf(root, names.slice(at, at + PAGE_ITEMS), onlyContainers) };
  }
}

async function namesIn(root: Root, onlyFolders: boolean, signal: AbortSignal): Promise<string[]> {
  try {
    await using folder = await root.folder('');
    if (folder === null) throw new DroverError('PLACE_NOT_FOUND', `There is no folder ${root.label}.`);
    const names: string[] = [];
    for await (const child of await opendir(folder.path, { encoding: 'buffer' as BufferEncoding })) {
      throwIfCancelled(signal);
      const name = nameOf(child);
      if (child.isDirectory()) names.push(`${name}/`);
      else if (!onlyFolders && parseOwnName(name) === null) names.push(name);
    }
    return names.toSorted(compareKeys);
  } catch (error) {
    throw fromErrno(error, `Listing ${root.label}`, null);
  }
}

async function itemsOf(root: Root, names: readonly string[], asContainers: boolean): Promise<Item[]> {
  await using folder = await root.folder('');
  if (folder === null) return [];
  const items: Item[] = [];
  for (const name of names) {
    if (name.endsWith('/')) {
      items.push({
        name: asContainers ? name.slice(0, -1) : name,
        kind: asContainers ? 'container' : 'folder',
        entry: null,
      });
      continue;
    }
    const stats = await lstatOrNull(folder, name);
    if (stats !== null) items.push({ name, kind: 'object', entry: fileEntry(name, stats) });
  }
  return items;
}
