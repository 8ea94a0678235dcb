/**
 * A mirror's deletions: objects first, then folders from the inside out; a folder that still holds something stays.
 * Where there are many, the folders of one piece may hold folders of another: those wait for a last stage.
 */
import type { Entry } from '../model/entry.ts';
import { DroverError } from '../model/errors.ts';
import { compareKeys } from '../model/key.ts';
import { recordOf, settle } from './account.ts';
import { chunkPrefix, chunksOfKind, NOTHING_SETTLED, type ExtraRow, type Settled } from './chunks.ts';
import type { RunContext } from './context.ts';
import { factsOf } from './failure-facts.ts';
import type { Phase, Unit } from './later.ts';
import { DELETIONS_AT_ONCE, PIECE_FOLDERS_MAX, PIECE_ITEMS_MAX } from './limits.ts';
import { readChunks } from './lines.ts';
import { onlyOfItem } from './only-of-item.ts';
import type { Lease, SegmentRecord } from './ports.ts';
import { inKeyOrder } from './snapshot.ts';
import { ExternalSort } from './sort.ts';

export const DELETES: Phase = {
  atOnce: DELETIONS_AT_ONCE,
  pieceItemsMax: PIECE_ITEMS_MAX,
  units,
  worker: remover,
};

async function* units(context: RunContext, lease: Lease, segments: readonly SegmentRecord[]): AsyncGenerator<Unit> {
  const { artifacts } = context.world;
  const spill = `${chunkPrefix(context.run.runId)}sorting/folders-${lease.epoch}/`;
  const folders = new ExternalSort<ExtraRow>(artifacts, spill, (a, b) => compareKeys(b.entry.key, a.entry.key));
  try {
    for (const segment of inKeyOrder(segments)) {
      for await (const line of readChunks(artifacts, chunksOfKind(segment.chunks, 'extra'))) {
        const row = JSON.parse(line) as ExtraRow;
        if (row.entry.kind === 'folder') await folders.add(row);
        else yield { stage: 'work1', sizeBytes: 0, line };
      }
    }
    yield* folderUnits(folders.sorted());
  } finally {
    await folders.clear();
  }
}

/**
 * What is in a folder comes just before it. So a folder holds one of an earlier piece exactly when it holds the last of
 * those: it goes when all the others have gone.
 */
export async function* folderUnits(rows: AsyncIterable<ExtraRow>, perPiece = PIECE_FOLDERS_MAX): AsyncGenerator<Unit> {
  let number = 0;
  let last: string | null = null;
  let lastOfEarlier: string | null = null;
  let isFirst = false;
  for await (const row of rows) {
    if (number++ % perPiece === 0) {
      lastOfEarlier = last;
      isFirst = true;
    }
    last = row.entry.key;
    const line = JSON.stringify(row);
    if (lastOfEarlier?.startsWith(row.entry.key) === true) {
      yield { stage: 'work3', sizeBytes: 0, line };
      continue;
    }
    yield { stage: 'work2', sizeBytes: 0, line, isFirst };
    isFirst = false;
  }
}

/** Several go at once, but a folder waits for what is inside it, or it would be found full a moment too early. */
function remover(context: RunContext): (line: string) => Promise<Settled> {
  const running = new Set<{ readonly key: string; readonly removal: Promise<Settled> }>();
  let looking: Promise<void> | null = null;
  return async (line) => {
    // What a source that is gone, or that nobody can see now, does not have is no reason to delete anything.
    await (looking ??= context.places.demandAnswer('source', context.signal));
    const { entry } = JSON.parse(line) as ExtraRow;
    const inside = entry.kind === 'folder' ? [...running].filter(({ key }) => key.startsWith(entry.key)) : [];
    const removal = Promise.allSettled(inside.map((one) => one.removal)).then(async () => removeOne(context, entry));
    const own = { key: entry.key, removal };
    running.add(own);
    return removal.finally(() => running.delete(own));
  };
}

/** Also what it failed with is told, as a deletion that did not succeed. */
export async function removeOne(context: RunContext, entry: Entry): Promise<Settled> {
  const { removal } = context.target.facets;
  const leave = await context.deletionGate.enter(context.signal);
  try {
    if (removal === undefined)
      throw new DroverError('UNSUPPORTED', 'The target offers no deletions.', { key: entry.key });
    const result = await removal.remove(entry, context.signal);
    if (result === 'kept') return NOTHING_SETTLED;
    return settle(recordOf(entry, 'deleted', result === 'absent' ? 'absent-already' : 'not-at-source'));
  } catch (error) {
    const failure = await onlyOfItem(context, error);
    const details = `It could not be deleted: ${failure.message}`;
    return settle(recordOf(entry, 'failed', failure.code, { details, deletion: true, ...factsOf(error) }));
  } finally {
    leave();
  }
}
