/** What this process may do at a place, found out by doing it. */
import { constants } from 'node:fs';
import { open, opendir, unlink } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { dirname } from 'node:path';
import type { CheckLine, CheckWish, Place, Use } from '../../contract/provider.ts';
import { throwIfCancelled } from '../../lib/system.ts';
import type { Random } from '../../lib/world.ts';
import { DroverError } from '../../model/errors.ts';
import { fromErrno } from './errors.ts';
import { nameOf } from './entries.ts';
import { CHECK_CONTENT, CHECK_RUN_ID, removeOldProbes } from './old-probes.ts';
import { makeOwnFile } from './placing.ts';
import { resolveRoot, type Folder, type Root } from './root.ts';

export interface CheckWorld {
  open(place: Place): Promise<Root>;
  readonly random: Random;
  readonly signal: AbortSignal;
  readonly wish?: CheckWish | undefined;
}

export async function* checkPlace(place: Place | null, use: Use, world: CheckWorld): AsyncGenerator<CheckLine> {
  const identity = { role: 'acts', name: userName(), accountId: null } as const;
  yield { ...ok('identity', `Drover runs as the user ${userName()}.`), identity };
  if (place === null) return;
  let folder: Folder | null;
  let root: Root;
  try {
    root = await world.open(place);
    folder = await root.folder('');
  } catch (error) {
    yield refused('container', error, `Opening ${place.container}`);
    return;
  }
  if (folder === null) {
    yield* checkMissing(place, root, use, world);
    return;
  }
  try {
    yield ok('container', `The folder ${root.label} is there.`);
    throwIfCancelled(world.signal);
    const listed = await checkList(folder, root);
    yield listed.line;
    throwIfCancelled(world.signal);
    if (use !== 'write' && listed.line.result === 'ok') yield await checkRead(listed.file, root);
    if (use !== 'read') yield* checkWrite(folder, root, world.random);
  } finally {
    await folder[Symbol.asyncDispose]();
  }
}

/** Whether a missing folder could be made is tried in the one that it would be made in. */
async function* checkMissing(place: Place, root: Root, use: Use, world: CheckWorld): AsyncGenerator<CheckLine> {
  if (use === 'read' && world.wish?.mayBeAbsent === true) {
    const message = `There is no folder ${root.label} yet, so nothing is in it.`;
    yield { what: 'container', result: 'warning', message, field: 'container', remedy: null };
    return;
  }
  if (use !== 'write') {
    const message = `There is no folder ${root.label}.`;
    yield {
      what: 'container',
      result: 'refused',
      message,
      field: 'container',
      remedy: 'Check the path of the folder.',
    };
    return;
  }
  const message = `There is no folder ${root.label} yet; the first write makes it.`;
  yield { what: 'container', result: 'warning', message, field: 'container', remedy: null };
  throwIfCancelled(world.signal);
  const container = await world.open({ container: place.container, prefix: '' });
  for (const above of [container, await resolveRoot(dirname(container.label), '')]) {
    try {
      await using folder = await above.folder('');
      if (folder === null) continue;
      yield* checkWrite(folder, above, world.random);
    } catch (error) {
      yield refused('write', error, `Opening ${above.label}`);
    }
    return;
  }
  const missing = new DroverError('PLACE_NOT_FOUND', `There is no folder ${dirname(container.label)} to make it in.`);
  yield refused('write', missing, '');
}

async function checkList(folder: Folder, root: Root): Promise<{ line: CheckLine; file: Buffer | null }> {
  try {
    for await (const child of await opendir(folder.path, { encoding: 'buffer' as BufferEncoding })) {
      if (child.isFile())
        return { line: ok('list', `${root.label} can be listed.`), file: folder.child(nameOf(child)) };
    }
    return { line: ok('list', `${root.label} can be listed.`), file: null };
  } catch (error) {
    return { line: refused('list', error, `Listing ${root.label}`), file: null };
  }
}

async function checkRead(file: Buffer | null, root: Root): Promise<CheckLine> {
  if (file === null) {
    const message = `${root.label} holds no file directly, so reading one could not be tried.`;
    return { what: 'read', result: 'unknown', message, field: null, remedy: null };
  }
  try {
    await using handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    await handle.read(Buffer.alloc(1), 0, 1, 0);
    return ok('read', `A file of ${root.label} could be read.`);
  } catch (error) {
    return refused('read', error, `Reading a file of ${root.label}`);
  }
}

async function* checkWrite(folder: Folder, root: Root, random: Random): AsyncGenerator<CheckLine> {
  let name: string;
  let writtenAtMs: number;
  try {
    const probe = await makeOwnFile(folder, CHECK_RUN_ID, random, 'part');
    name = probe.name;
    try {
      await probe.handle.write(CHECK_CONTENT);
      writtenAtMs = (await probe.handle.stat()).mtimeMs;
    } finally {
      await probe.handle.close();
    }
  } catch (error) {
    yield refused('write', error, `Writing a file in ${root.label}`);
    return;
  }
  yield ok('write', `A file could be written in ${root.label}.`);
  try {
    await unlink(folder.child(name));
    yield ok('delete', 'It could be removed again.');
    await removeOldProbes(folder, writtenAtMs);
  } catch (error) {
    yield refused('delete', error, `Removing a file in ${root.label}`);
  }
}

function ok(what: CheckLine['what'], message: string): CheckLine {
  return { what, result: 'ok', message, field: null, remedy: null };
}

function refused(what: CheckLine['what'], thrown: unknown, doing: string): CheckLine {
  const { message, field, remedy } = fromErrno(thrown, doing, null);
  return { what, result: 'refused', message, field, remedy };
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // A user without a name, as containers have.
    return String(process.getuid?.() ?? 'unknown');
  }
}
