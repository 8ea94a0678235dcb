/** `ls`, `du`, `cat`: looking, without changing anything. */
import type { BrowsePage, Lister } from '../../contract/provider.ts';
import { retryingSource } from '../../engine/wrap.ts';
import type { Entry } from '../../model/entry.ts';
import { DroverError } from '../../model/errors.ts';
import { ZERO_COUNTERS } from '../../model/outcome.ts';
import { openEnd, openNamedObject, openSource, type NamedEnd, type SourceEnd } from '../ends.ts';
import { EXIT } from '../exit.ts';
import { countsOf } from '../requests.ts';
import type { CommandEnd, Session } from '../session.ts';
import { visible } from '../terminal.ts';
import { OBJECTS } from '../texts.ts';

export interface ListOptions {
  /** Folders as one line instead of everything in them. */
  readonly oneLevel: boolean;
  readonly long: boolean;
  readonly versions: 'current' | 'all';
}

interface Sum {
  items: number;
  bytes: number;
}

/** Every key below the place, or one level of it; the buckets for `NAME:`. */
export async function list(session: Session, words: string, options: ListOptions): Promise<CommandEnd> {
  const end = await openEnd(session, words);
  await using _account = end.account;
  const sum: Sum = { items: 0, bytes: 0 };
  if (end.place === null || options.oneLevel) {
    for await (const page of end.account.browse(end.place, session.signal)) {
      for (const item of page.items) await showItem(session, item, options, sum);
    }
  } else {
    const { source, definition } = await openSource(session, end, { versions: options.versions });
    await using _source = source;
    for await (const entry of entriesOf(session, { source: retryingSource(source, session.world), definition })) {
      sum.items += 1;
      sum.bytes += entry.sizeBytes;
      await showEntry(session, entry, options);
    }
  }
  return endOf(session, end, sum);
}

/** Objects and bytes of a place; of every bucket for `NAME:`. */
export async function measure(session: Session, words: string): Promise<CommandEnd> {
  const end = await openEnd(session, words);
  await using _account = end.account;
  const sum: Sum = { items: 0, bytes: 0 };
  if (end.place === null) {
    for await (const page of end.account.browse(null, session.signal)) {
      for (const { name } of page.items) {
        const source = await end.account.source(
          { container: name, prefix: '' },
          { versions: 'current' },
          session.signal,
        );
        await using _source = source;
        const part = await sumOf(entriesOfLister(retryingSource(source, session.world), session.signal));
        sum.items += part.items;
        sum.bytes += part.bytes;
        await session.terminal.record({
          type: 'entry',
          kind: 'container',
          key: name,
          items: part.items,
          sizeBytes: part.bytes,
        });
        await session.terminal.print(sumLine(session, part, `${end.text.text}${visible(name)}`));
      }
    }
  } else {
    const opened = await openSource(session, end, { versions: 'current' });
    await using _source = opened.source;
    const part = await sumOf(entriesOf(session, { ...opened, source: retryingSource(opened.source, session.world) }));
    sum.items = part.items;
    sum.bytes = part.bytes;
  }
  await session.terminal.print(sumLine(session, sum, visible(end.text.text)));
  return endOf(session, end, sum);
}

/** The content of one object on standard output; with --json in records, base64. */
export async function printContent(session: Session, words: string): Promise<CommandEnd> {
  const end = await openEnd(session, words);
  await using _account = end.account;
  const { source: opened, definition } = await openNamedObject(session, end);
  const source = retryingSource(opened, session.world);
  await using _source = source;
  const entry = await source.stat(definition.only as string, session.signal);
  if (entry === null) throw new DroverError('SOURCE_NOT_FOUND', `"${words}" was removed a moment ago.`);
  if (entry.kind !== 'object') {
    throw new DroverError('UNSUPPORTED', `"${words}" is no file: it is a ${entry.nativeType ?? entry.kind}.`);
  }
  let bytes = 0;
  if (entry.sizeBytes > 0) {
    const range = { offset: 0, lengthBytes: entry.sizeBytes };
    const reading = await source.read(entry, range, session.signal);
    for await (const chunk of reading.body) {
      bytes += chunk.byteLength;
      if (session.terminal.options.json) {
        await session.terminal.record({ type: 'content', base64: Buffer.from(chunk).toString('base64') });
      } else await session.terminal.printBytes(chunk);
    }
  }
  return endOf(session, end, { items: 1, bytes });
}

/** LISTING_INCOMPLETE when the listing stops without saying that it is complete. */
export async function* entriesOfLister(lister: Lister, signal: AbortSignal): AsyncIterable<Entry> {
  for await (const page of lister.scan({ from: null, to: null, resume: null }, signal)) {
    for (const entry of page.entries) if (!(entry.kind === 'folder' && entry.isImplied)) yield entry;
    if (page.complete) return;
  }
  throw new DroverError('LISTING_INCOMPLETE', 'The listing broke off before its end.');
}

async function* entriesOf(session: Session, { source, definition }: SourceEnd): AsyncIterable<Entry> {
  if (definition.only === null) {
    yield* entriesOfLister(source, session.signal);
    return;
  }
  const entry = await source.stat(definition.only, session.signal);
  if (entry !== null) yield entry;
}

async function sumOf(entries: AsyncIterable<Entry>): Promise<Sum> {
  const sum: Sum = { items: 0, bytes: 0 };
  for await (const entry of entries) {
    sum.items += 1;
    sum.bytes += entry.sizeBytes;
  }
  return sum;
}

async function showItem(
  session: Session,
  item: BrowsePage['items'][number],
  options: ListOptions,
  sum: Sum,
): Promise<void> {
  if (item.entry !== null && item.kind === 'object') {
    sum.items += 1;
    sum.bytes += item.entry.sizeBytes;
    return showEntry(session, item.entry, options);
  }
  await session.terminal.record({
    type: 'entry',
    kind: item.kind,
    key: item.name,
    ...(item.region === undefined ? {} : { region: item.region }),
  });
  const name = item.kind === 'folder' && !item.name.endsWith('/') ? `${item.name}/` : item.name;
  await printLine(session, options, '', '', visible(name));
}

async function showEntry(session: Session, entry: Entry, options: ListOptions): Promise<void> {
  const modifiedAt = entry.modifiedAtMs === null ? null : new Date(entry.modifiedAtMs).toISOString();
  if (session.terminal.options.json) {
    return session.terminal.record({
      type: 'entry',
      kind: entry.kind,
      key: entry.key,
      sizeBytes: entry.sizeBytes,
      modifiedAt,
      etag: entry.identity.etag,
      versionId: entry.identity.versionId,
      storageClass: entry.storageClass,
      availability: entry.availability,
      digests: entry.digests,
      ...(entry.nativeType === null ? {} : { nativeType: entry.nativeType }),
    });
  }
  await printLine(session, options, session.format.count(entry.sizeBytes), modifiedAt ?? '', visible(entry.key));
}

async function printLine(
  session: Session,
  options: ListOptions,
  size: string,
  time: string,
  name: string,
): Promise<void> {
  const head = options.long ? `${size.padStart(15)}  ${time.padEnd(24)}  ` : '';
  await session.terminal.print(head + name);
}

function sumLine(session: Session, sum: Sum, name: string): string {
  const { format } = session;
  const exact = sum.bytes >= 1000 ? ` (${format.count(sum.bytes)} bytes)` : '';
  return `${format.plural(sum.items, OBJECTS)}  ${format.bytes(sum.bytes)}${exact}  ${name}`;
}

function endOf(session: Session, end: NamedEnd, sum: Sum): CommandEnd {
  return {
    exit: EXIT.FINE,
    summary: {
      runId: null,
      state: 'succeeded',
      counters: {
        ...ZERO_COUNTERS,
        items: { ...ZERO_COUNTERS.items, scanned: sum.items },
        bytes: { ...ZERO_COUNTERS.bytes, scanned: sum.bytes },
      },
      requests: countsOf(end.side, null),
      durationMs: session.elapsedMs,
      error: null,
    },
  };
}
