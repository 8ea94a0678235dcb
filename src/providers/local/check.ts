/** What this process may do at a place, found out by doing it. */
import { constants } from 'node:fs';
import { access, open, opendir, unlink } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { dirname } from 'node:path';
import type { CheckLine, Place, Use } from '../../contract/provider.ts';
import { throwIfCancelled } from '../../lib/system.ts';
import type { Random } from '../../lib/world.ts';
import { toDroverError } from '../../model/errors.ts';
import { fromErrno } from './errors.ts';
import { nameOf } from './entries.ts';
import { makeOwnFile } from './placing.ts';
import type { Folder, Root } from './root.ts';

/** Stands for a run in the name of the file that is written and removed. */
const CHECK_RUN_ID = 'drovercheck';

export interface CheckWorld {
  open(place: Place): Promise<Root>;
  readonly random: Random;
  readonly signal: AbortSignal;
}

export async function* checkPlace(place: Place | null, use: Use, world: CheckWorld): AsyncGenerator<CheckLine> {
  yield ok('identity', `Drover runs as the user ${userName()}.`);
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
    yield* checkMissing(root, use);
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

async function* checkMissing(root: Root, use: Use): AsyncGenerator<CheckLine> {
  if (use !== 'write') {
    const remedy = 'Check the path of the folder.';
    yield {
      what: 'container',
      result: 'refused',
      message: `There is no folder ${root.label}.`,
      field: 'container',
      remedy,
    };
    return;
  }
  const message = `There is no folder ${root.label} yet; the first write makes it.`;
  yield { what: 'container', result: 'warning', message, field: 'container', remedy: null };
  const above = dirname(root.label);
  try {
    await access(above, constants.W_OK | constants.X_OK);
    yield ok('write', `Folders can be made in ${above}.`);
  } catch (error) {
    yield refused('write', error, `Making a folder in ${above}`);
  }
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
  try {
    const probe = await makeOwnFile(folder, CHECK_RUN_ID, random, 'part');
    name = probe.name;
    try {
      await probe.handle.write('drover');
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
  } catch (error) {
    yield refused('delete', error, `Removing a file in ${root.label}`);
  }
}

function ok(what: CheckLine['what'], message: string): CheckLine {
  return { what, result: 'ok', message, field: null, remedy: null };
}

function refused(what: CheckLine['what'], thrown: unknown, doing: string): CheckLine {
  const { message, field, remedy } = toDroverError(fromErrno(thrown, doing, null));
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
