/** `ls`, `du` and `mkbucket` under `--server`: what the server sees through a connector, folder by folder. */
import { DroverError } from '../../model/errors.ts';
import { ZERO_COUNTERS } from '../../model/outcome.ts';
import type { CommandEnd, Session } from '../session.ts';
import type { ListOptions } from '../commands/listing.ts';
import { visible } from '../terminal.ts';
import { OBJECTS } from '../texts.ts';
import { placeAt } from './projects.ts';
import { answer, fine, openRemote, type Remote, type Wire } from './remote.ts';

type Item = Wire['BrowsePage']['items'][number];

interface Seen {
  readonly item: Item;
  /** Relative to the place that was named. */
  readonly key: string;
}

export async function listAt(session: Session, words: string, options: ListOptions): Promise<CommandEnd> {
  if (options.versions === 'all') {
    throw new DroverError('USAGE', 'Old versions are not listed through a server.', {
      field: '--versions',
      remedy: 'Leave it out, or list from this machine without --server.',
    });
  }
  const remote = await openRemote(session);
  const { connector, place } = await placeAt(remote, words);
  const sum = { items: 0, bytes: 0 };
  for await (const { item, key } of seen(remote, connector.id, place, options.oneLevel || place === null)) {
    if (item.entry !== null && item.kind === 'object') {
      sum.items += 1;
      sum.bytes += item.entry.sizeBytes;
    }
    await showSeen(session, item, key, options.long);
  }
  return endOf(session, sum);
}

export async function measureAt(session: Session, words: string): Promise<CommandEnd> {
  const remote = await openRemote(session);
  const { connector, place } = await placeAt(remote, words);
  const sum = { items: 0, bytes: 0 };
  for await (const { item } of seen(remote, connector.id, place, false)) {
    if (item.kind !== 'object') continue;
    sum.items += 1;
    sum.bytes += item.entry?.sizeBytes ?? 0;
  }
  const { format } = session;
  await session.terminal.print(`${format.plural(sum.items, OBJECTS)}, ${format.bytes(sum.bytes)}  ${visible(words)}`);
  return endOf(session, sum);
}

export async function makeBucketAt(session: Session, words: string): Promise<CommandEnd> {
  const remote = await openRemote(session);
  const { connector, place } = await placeAt(remote, words);
  if (place === null || place.prefix !== '') {
    const [word, remedy] =
      place === null
        ? ['names no bucket', `${words}NAME`]
        : ['is more than a bucket', `${connector.name}:${place.container}`];
    throw new DroverError('USAGE', `"${words}" ${word}. Folders in it need not be made.`, {
      remedy: `Write ${remedy}`,
    });
  }
  const params = { path: { id: connector.id } };
  const body = { name: place.container };
  const { result } = await answer(
    remote.http.POST('/api/v1/connectors/{id}/containers', { params, body, signal: session.signal }),
  );
  await session.terminal.print(result === 'made' ? `Made ${visible(words)}.` : `${visible(words)} was there already.`);
  return fine(session);
}

/** Depth first; no memory for more than one page of each folder on the way. */
async function* seen(
  remote: Remote,
  id: string,
  place: Wire['Place'] | null,
  isFlat: boolean,
  above = '',
): AsyncGenerator<Seen> {
  const { client, session } = remote;
  for await (const { items } of client.browse(id, place, session.signal)) {
    for (const item of items) {
      const key = `${above}${item.name}`;
      if (item.kind === 'object' || isFlat) yield { item, key };
      else {
        const next =
          place === null
            ? { container: item.name, prefix: '' }
            : { container: place.container, prefix: `${place.prefix}${asFolder(item.name)}` };
        yield* seen(remote, id, next, false, asFolder(key));
      }
    }
  }
}

function asFolder(name: string): string {
  return name.endsWith('/') ? name : `${name}/`;
}

async function showSeen(session: Session, { kind, entry }: Item, key: string, isLong: boolean): Promise<void> {
  const { terminal, format } = session;
  await terminal.record({
    type: 'entry',
    kind,
    key,
    sizeBytes: entry?.sizeBytes ?? null,
    modifiedAtMs: entry?.modifiedAtMs ?? null,
  });
  const shown = visible(kind === 'folder' ? asFolder(key) : key);
  if (!isLong) return terminal.print(shown);
  const size = kind === 'object' && entry !== null ? format.bytes(entry.sizeBytes) : '';
  const time = entry?.modifiedAtMs ? format.time(entry.modifiedAtMs) : '';
  await terminal.print(`${size.padStart(12)}  ${time.padEnd(18)}  ${shown}`);
}

function endOf(session: Session, sum: { items: number; bytes: number }): CommandEnd {
  const counters = {
    ...ZERO_COUNTERS,
    items: { ...ZERO_COUNTERS.items, scanned: sum.items },
    bytes: { ...ZERO_COUNTERS.bytes, scanned: sum.bytes },
  };
  const end = fine(session);
  return { ...end, summary: { ...end.summary, counters } };
}
