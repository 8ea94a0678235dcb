/**
 * Both ends as a retry sees them: nothing but the items that failed in another run. Their names are sorted once into
 * pieces in the artifact store, so that memory does not grow with their number; any worker may make them, and all make
 * the same.
 */
import type { Lister, Page, ScanRange } from '../../contract/provider.ts';
import { chunkPrefix } from '../../engine/chunks.ts';
import { readItems } from '../../engine/item-log.ts';
import { packLines, readChunk } from '../../engine/lines.ts';
import { mapKey } from '../../engine/naming.ts';
import type { ArtifactStore } from '../../engine/ports.ts';
import { ExternalSort } from '../../engine/sort.ts';
import type { Ends } from '../../engine/world.ts';
import type { Entry } from '../../model/entry.ts';
import { DroverError, toDroverError } from '../../model/errors.ts';
import { compareKeys, isWithin, keyAfter } from '../../model/key.ts';
import { inDatabase } from '../runs/database-errors.ts';
import { PostgresRunStore } from '../runs/store.ts';
import type { RunToOpen } from './ends.ts';
import type { FleetWorld } from './parts.ts';

const PIECE_KEYS_MAX = 5_000;
const PAGE_KEYS = 256;
const LOOKED_UP_AT_ONCE = 16;

type ListName = 'source' | 'target';

interface Piece {
  readonly name: string;
  readonly first: string;
  readonly last: string;
}

type Index = Readonly<Record<ListName, readonly Piece[]>>;

export async function retryEnds(
  world: FleetWorld,
  run: Pick<RunToOpen, 'runId' | 'retryOf' | 'definition'>,
  ends: Ends,
  signal: AbortSignal,
): Promise<Ends> {
  const { source, target } = ends;
  const index = await keyIndex(world, run.runId, run.retryOf as string, ends, signal);
  const allVersions = run.definition.policy.versions === 'all';
  return {
    source: {
      traits: { ...source.traits, order: 'bytes', seek: 'key' },
      facets: source.facets,
      scan: (range, stop) => lookedUp(world.artifacts, index.source, source, range, allVersions, stop),
      stat: (key, stop) => source.stat(key, stop),
      describe: (entry, stop) => source.describe(entry, stop),
      read: (entry, range, stop) => source.read(entry, range, stop),
      [Symbol.asyncDispose]: () => source[Symbol.asyncDispose](),
    },
    target: {
      get traits() {
        return { ...target.traits, order: 'bytes', seek: 'key' } as const;
      },
      facts: target.facts,
      facets: target.facets,
      scan: (range, stop) => lookedUp(world.artifacts, index.target, target, range, false, stop),
      stat: (key, stop) => target.stat(key, stop),
      describe: (entry, stop) => target.describe(entry, stop),
      write: (key, body, options) => target.write(key, body, options),
      ...(target.sweep && { sweep: (options, stop) => target.sweep!(options, stop) }),
      [Symbol.asyncDispose]: () => target[Symbol.asyncDispose](),
    },
  };
}

async function keyIndex(
  world: FleetWorld,
  runId: string,
  retryOf: string,
  ends: Ends,
  signal: AbortSignal,
): Promise<Index> {
  const { artifacts } = world;
  const folder = `${chunkPrefix(runId)}retry/`;
  const name = `${folder}index.json`;
  const known = await artifacts.get(name);
  if (known !== null) return JSON.parse(Buffer.from(known).toString('utf8')) as Index;
  const store = new PostgresRunStore(world.db);
  const failed = await store.getRun(retryOf);
  if (failed === null || (await hasLostLog(world, retryOf))) {
    throw new DroverError(
      'ENTITY_NOT_FOUND',
      `Run ${retryOf}, whose failed items were to be repeated, is gone, or its log is.`,
    );
  }
  const mark = Buffer.from(world.random.bytes(6)).toString('hex');
  const sorts: Record<ListName, ExternalSort<string>> = {
    source: new ExternalSort(artifacts, `${folder}sorting/${mark}-source/`, compareKeys),
    target: new ExternalSort(artifacts, `${folder}sorting/${mark}-target/`, compareKeys),
  };
  try {
    for await (const item of readItems(failed, { store, artifacts })) {
      if (item.result !== 'failed') continue;
      signal.throwIfAborted();
      await sorts.source.add(item.key);
      await sorts.target.add(item.key);
      const mapped = item.targetKey ?? mapKey(item.key, ends.target.traits.names, item.kind);
      if (mapped !== item.key) await sorts.target.add(mapped);
    }
    const index = {
      source: await writePieces(artifacts, `${folder}source-`, sorts.source),
      target: await writePieces(artifacts, `${folder}target-`, sorts.target),
    };
    await artifacts.put(name, Buffer.from(JSON.stringify(index)));
    return index;
  } finally {
    await sorts.source.clear();
    await sorts.target.clear();
  }
}

/** Nothing can be read from it then, which is not the same as nothing having failed. */
async function hasLostLog({ db }: FleetWorld, runId: string): Promise<boolean> {
  const row = await inDatabase(() =>
    db.selectFrom('runs').select('logs_expired').where('id', '=', runId).executeTakeFirst(),
  );
  return row?.logs_expired !== false;
}

async function writePieces(artifacts: ArtifactStore, head: string, sort: ExternalSort<string>): Promise<Piece[]> {
  const pieces: Piece[] = [];
  let keys: string[] = [];
  const write = async (): Promise<void> => {
    if (keys.length === 0) return;
    const name = `${head}${String(pieces.length).padStart(8, '0')}`;
    await artifacts.put(name, packLines(keys.map((key) => JSON.stringify(key))));
    pieces.push({ name, first: keys[0] as string, last: keys.at(-1) as string });
    keys = [];
  };
  for await (const key of sort.sorted()) {
    if (keys.at(-1) === key || pieces.at(-1)?.last === key) continue;
    keys.push(key);
    if (keys.length >= PIECE_KEYS_MAX) await write();
  }
  await write();
  return pieces;
}

async function* keysOf(artifacts: ArtifactStore, pieces: readonly Piece[], range: ScanRange): AsyncGenerator<string> {
  for (const { name, first, last } of pieces) {
    if (range.to !== null && compareKeys(first, range.to) >= 0) return;
    if (range.from !== null && compareKeys(last, range.from) < 0) continue;
    for (const line of await readChunk(artifacts, name)) {
      const key = JSON.parse(line) as string;
      if (isWithin(key, range.from, range.to)) yield key;
    }
  }
}

/** One page for every few hundred names; what is not there any more is left out, as a listing would. */
async function* lookedUp(
  artifacts: ArtifactStore,
  pieces: readonly Piece[],
  inner: Lister,
  range: ScanRange,
  allVersions: boolean,
  signal: AbortSignal,
): AsyncGenerator<Page> {
  let keys: string[] = [];
  const page = async (complete: boolean): Promise<Page> => {
    const entries: Entry[] = [];
    for (let at = 0; at < keys.length; at += LOOKED_UP_AT_ONCE) {
      const group = keys.slice(at, at + LOOKED_UP_AT_ONCE);
      const found = await Promise.all(
        group.map((key) => (allVersions ? versionsOf(inner, key, signal) : oneOf(inner, key, signal))),
      );
      entries.push(...found.flat());
    }
    keys = [];
    return { entries, cursor: null, complete };
  };
  for await (const key of keysOf(artifacts, pieces, range)) {
    keys.push(key);
    if (keys.length >= PAGE_KEYS) yield await page(false);
  }
  yield await page(true);
}

async function oneOf(inner: Lister, key: string, signal: AbortSignal): Promise<readonly Entry[]> {
  const entry = await inner.stat(key, signal).catch((error: unknown) => {
    if (toDroverError(error).code === 'PERMISSION_DENIED') return 'denied' as const;
    throw error;
  });
  // It has a lock of its own, which is its own failure; a listing tells enough to try it.
  if (entry === 'denied') return (await versionsOf(inner, key, signal)).slice(-1);
  return entry === null || entry.isImplied ? [] : [entry];
}

async function versionsOf(inner: Lister, key: string, signal: AbortSignal): Promise<readonly Entry[]> {
  const entries: Entry[] = [];
  for await (const page of inner.scan({ from: key, to: keyAfter(key), resume: null }, signal)) {
    entries.push(...page.entries);
    if (page.complete) return entries;
  }
  throw new DroverError('LISTING_INCOMPLETE', `The versions of ${JSON.stringify(key)} could not be listed whole.`, {
    key,
  });
}
