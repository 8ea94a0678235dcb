/** Where the soak copies to, looked at without Drover: what is there, what is left over, and what is not ours. */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AzureStore, Found, OpenUpload, S3Store } from '../../demo/stores.ts';
import { largeKey } from './tree.ts';

/** An upload that may have been begun, or one that was and has a name. */
export interface Journaled {
  readonly targetKey: string;
  readonly upload: { readonly upload?: { readonly token: { readonly uploadId?: string } } } | null;
}

export interface SoakTarget {
  readonly name: string;
  /** As `bin/drover` takes it. */
  readonly place: string;
  readonly options: readonly string[];
  /** Names of all objects. */
  list(): Promise<readonly string[]>;
  find(name: string): Promise<Found>;
  /** Removes every object, and nothing that somebody else has open. */
  clear(): Promise<void>;
  /** What another tool left there, which Drover must not touch. */
  plantForeign(): Promise<void>;
  /** Sentences about what should not be there, and about what somebody else had and is gone. */
  leftovers(): Promise<readonly string[]>;
  /** What is open and can be none of these counts as somebody else's from now on; how many that are. */
  adopt(journaled: readonly Journaled[]): Promise<number>;
  remove(): Promise<void>;
}

const FOREIGN_BYTES = Buffer.alloc(5 * 1024 * 1024, 'foreign');

/** Of a server that was killed while it tried the target out: the next trial takes it away, a quarter of an hour later. */
function isTrial({ key }: OpenUpload): boolean {
  return key.startsWith('.drover-probe-');
}

function told({ uploadId, initiated }: OpenUpload): string {
  return `begun at ${initiated}, called ${uploadId}`;
}

export function bucketTarget(store: S3Store, name: string, bucket: string, options: readonly string[]): SoakTarget {
  let foreign: readonly OpenUpload[] = [];
  return {
    name,
    place: `soak:${bucket}`,
    options,
    list: () => store.list(bucket),
    find: (key) => store.find(bucket, key),
    clear: async () => {
      for (const key of await store.list(bucket)) await store.remove(bucket, key);
    },
    plantForeign: async () => {
      await store.makeContainer(bucket);
      // One of them for a name that Drover will write to as well.
      for (const key of [largeKey(0), 'foreign/other']) {
        const uploadId = await store.beginUpload(bucket, key);
        await store.putPart(bucket, { key, uploadId }, 1, FOREIGN_BYTES);
      }
      foreign = await store.openUploads(bucket);
      if (foreign.length !== 2) throw new Error('The foreign uploads cannot be seen.');
    },
    leftovers: async () => {
      const open = await store.openUploads(bucket);
      const has = (all: readonly OpenUpload[], one: OpenUpload): boolean =>
        all.some(({ uploadId }) => uploadId === one.uploadId);
      return [
        ...open
          .filter((one) => !has(foreign, one) && !isTrial(one))
          .map((one) => `an upload of ${show(one.key)} is left open (${told(one)})`),
        ...foreign
          .filter((one) => !has(open, one))
          .map((one) => `a foreign upload of ${show(one.key)} is gone (${told(one)})`),
      ];
    },
    adopt: async (journaled) => {
      const isKnown = ({ uploadId }: OpenUpload): boolean => foreign.some((one) => one.uploadId === uploadId);
      const mayBe = ({ key, uploadId }: OpenUpload): boolean =>
        journaled.some(({ targetKey, upload }) => {
          const name = upload?.upload?.token.uploadId;
          return targetKey === key && (name === undefined || name === uploadId);
        });
      const more = (await store.openUploads(bucket)).filter((one) => !isKnown(one) && !mayBe(one));
      foreign = [...foreign, ...more];
      return more.length;
    },
    remove: () => store.removeContainer(bucket),
  };
}

export function azureTarget(store: AzureStore, container: string): SoakTarget {
  const foreign = ['foreign/blocks'];
  return {
    name: 'container',
    place: `az:${container}`,
    options: [],
    list: () => store.list(container),
    find: (key) => store.find(container, key),
    clear: async () => {
      for (const key of await store.list(container)) await store.remove(container, key);
    },
    plantForeign: async () => {
      await store.makeContainer(container);
      for (const key of foreign) await store.putBlock(container, key, 'foreign-0001', FOREIGN_BYTES);
      if ((await store.uncommitted(container)).length !== 1) throw new Error('The foreign blocks cannot be seen.');
    },
    leftovers: async () => {
      const open = await store.uncommitted(container);
      return [
        ...open.filter((key) => !foreign.includes(key)).map((key) => `blocks of ${show(key)} are left uncommitted`),
        ...foreign.filter((key) => !open.includes(key)).map((key) => `foreign blocks of ${show(key)} are gone`),
      ];
    },
    // Blocks go when their blob is committed.
    adopt: async () => 0,
    remove: () => store.removeContainer(container),
  };
}

/** As another run of Drover would name it: only that one may take it away. */
const FOREIGN_FILE = '.drover-foreignrun01-0123456789abcdef.part';

export function folderTarget(folder: string): SoakTarget {
  const walk = (): { readonly name: string; readonly isFolder: boolean }[] =>
    readdirSync(folder, { recursive: true, withFileTypes: true }).map((entry) => ({
      name: join(entry.parentPath, entry.name).slice(folder.length + 1),
      isFolder: entry.isDirectory(),
    }));
  const isOwn = (name: string): boolean => /(^|\/)\.drover-/.test(name);
  return {
    name: 'folder',
    place: folder,
    options: [],
    list: async () => {
      const all = walk();
      const isParent = (name: string): boolean => all.some((other) => other.name.startsWith(`${name}/`));
      // A folder counts where it is all there is: what holds something is only the way to it.
      return all
        .filter(({ name, isFolder }) => !isOwn(name) && !(isFolder && isParent(name)))
        .map(({ name, isFolder }) => (isFolder ? `${name}/` : name));
    },
    find: async (name) => {
      const content = name.endsWith('/') ? Buffer.alloc(0) : readFileSync(join(folder, name));
      return { sizeBytes: content.length, sha256: createHash('sha256').update(content).digest('hex') };
    },
    clear: async () => {
      for (const name of readdirSync(folder)) {
        if (!isOwn(name)) rmSync(join(folder, name), { recursive: true, force: true });
      }
    },
    plantForeign: async () => {
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, FOREIGN_FILE), FOREIGN_BYTES);
    },
    leftovers: async () => {
      const own = walk().filter(({ name }) => isOwn(name));
      return [
        ...own.filter(({ name }) => name !== FOREIGN_FILE).map(({ name }) => `the file ${show(name)} is left over`),
        ...(own.some(({ name }) => name === FOREIGN_FILE) ? [] : ['a temporary file of another run is gone']),
      ];
    },
    // A run knows its own files by their names.
    adopt: async () => 0,
    remove: async () => rmSync(folder, { recursive: true, force: true }),
  };
}

export function show(name: string): string {
  return JSON.stringify(name.length > 60 ? `${name.slice(0, 57)}…` : name);
}
