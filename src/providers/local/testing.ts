/** What the tests of this folder share: real temporary folders, and the provider opened on them. */
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Context, Page, ScanRange, Source, Target, WriteOptions } from '../../contract/provider.ts';
import { systemClock, systemRandom } from '../../lib/system.ts';
import { NO_PROPERTIES, type Entry } from '../../model/entry.ts';
import { DroverError } from '../../model/errors.ts';
import { keyFromBytes, keyToBytes } from '../../model/key.ts';
import { local } from './provider.ts';

export const RUN_ID = 'run00000001';
export const EVERYTHING: ScanRange = { from: null, to: null, resume: null };
export const never = new AbortController().signal;

export function makeFolder(): { folder: string; removeFolder: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'drover-local-'));
  // Other users must be able to look in, so that tests can act as one.
  chmodSync(folder, 0o755);
  return { folder, removeFolder: () => rmSync(folder, { recursive: true, force: true }) };
}

export function contextOf(log: Context['log'] = () => undefined): Context {
  return {
    openTransport: () => {
      throw new DroverError('INTERNAL', 'A folder needs no network.');
    },
    clock: systemClock,
    random: systemRandom,
    log,
    environment: {},
    saveAccount: async () => undefined,
  };
}

export async function sourceOf(container: string, prefix = ''): Promise<Source> {
  const account = await local.open({}, contextOf());
  return account.source({ container, prefix }, { versions: 'current' }, never);
}

export async function targetOf(container: string, prefix = '', runId = RUN_ID): Promise<Target> {
  const account = await local.open({}, contextOf());
  return account.target({ container, prefix }, { facts: null, runId }, never);
}

export function optionsOf(change: Partial<WriteOptions> = {}): WriteOptions {
  return {
    properties: NO_PROPERTIES,
    digests: {},
    expect: { kind: 'any' },
    modifiedAtMs: null,
    recorded: null,
    storageClass: null,
    kind: 'object',
    signal: never,
    ...change,
  };
}

export function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function bodyOf(text: string): { sizeBytes: number; content: Uint8Array } {
  const content = bytesOf(text);
  return { sizeBytes: content.length, content };
}

/** A path below the folder as bytes, for names that are not text. */
export function pathOf(folder: string, key: string): Buffer {
  return Buffer.concat([Buffer.from(`${folder}/`), keyToBytes(key)]);
}

/** Files with their key as content; a key with a slash at its end is a folder. */
export function plant(folder: string, ...keys: readonly string[]): void {
  for (const key of keys) {
    const path = pathOf(folder, key.endsWith('/') ? key.slice(0, -1) : key);
    const above = Buffer.from(dirname(path.toString('latin1')), 'latin1');
    mkdirSync(key.endsWith('/') ? path : above, { recursive: true });
    if (!key.endsWith('/')) writeFileSync(path, key);
  }
}

export async function pagesOf(lister: Pick<Source, 'scan'>, range: Partial<ScanRange> = {}): Promise<readonly Page[]> {
  const pages: Page[] = [];
  for await (const page of lister.scan({ ...EVERYTHING, ...range }, never)) pages.push(page);
  return pages;
}

export async function entriesOf(
  lister: Pick<Source, 'scan'>,
  range: Partial<ScanRange> = {},
): Promise<readonly Entry[]> {
  const pages = await pagesOf(lister, range);
  if (pages.at(-1)?.complete !== true) throw new Error('the listing did not end');
  return pages.flatMap((page) => page.entries);
}

export async function keysOf(lister: Pick<Source, 'scan'>, range: Partial<ScanRange> = {}): Promise<string[]> {
  return (await entriesOf(lister, range)).map((entry) => entry.key);
}

export async function readAll(source: Source, entry: Entry): Promise<Buffer> {
  const reading = await source.read(entry, { offset: 0, lengthBytes: entry.sizeBytes }, never);
  const chunks: Uint8Array[] = [];
  for await (const chunk of reading.body) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Everything below the folder, Drover's own files too: folders with a slash at the end. */
export function everythingIn(folder: string): string[] {
  return readdirSync(Buffer.from(folder), { recursive: false, withFileTypes: true, encoding: 'buffer' })
    .flatMap((entry) => {
      const name = keyFromBytes(entry.name);
      if (!entry.isDirectory()) return [name];
      return [`${name}/`, ...everythingIn(pathOf(folder, name).toString()).map((below) => `${name}/${below}`)];
    })
    .toSorted();
}

/**
 * Runs the work as a user without rights, as tests about rights need when they are run by root. Resolves with what the
 * work does.
 */
export async function asNobody<T>(work: () => Promise<T>): Promise<T> {
  if (process.geteuid?.() !== 0) return work();
  const nobody = 65_534;
  process.setegid?.(nobody);
  process.seteuid?.(nobody);
  try {
    return await work();
  } finally {
    process.seteuid?.(0);
    process.setegid?.(0);
  }
}
