/** What of an object's properties a store takes, and what is lost on the way. */
import type { ContentHeaders, Properties } from '../../model/entry.ts';
import type { MemoryBehaviour } from './behaviour.ts';

interface Carried {
  readonly headers: ContentHeaders;
  readonly metadata: Readonly<Record<string, string>>;
  readonly tags: Readonly<Record<string, string>>;
  readonly losses: readonly string[];
}

export function carried(properties: Properties, behaviour: MemoryBehaviour): Carried {
  const losses: string[] = [];
  const { carries } = behaviour;
  const keep = <T extends object>(taken: boolean, given: T, word: string): T => {
    if (taken) return given;
    for (const name of Object.keys(given)) losses.push(`The store keeps no ${word}; "${name}" was left behind.`);
    return {} as T;
  };
  const headers = keep(carries.headers, properties.headers, 'headers');
  const metadata = keep(carries.metadata, properties.metadata, 'metadata');
  const tags = keep(carries.tags, properties.tags ?? {}, 'tags');
  return {
    headers,
    metadata: withinBytes(metadata, behaviour.metadataBytesMax, losses),
    tags: withinCount(tags, behaviour.tagsMax, losses),
    losses,
  };
}

function withinBytes(
  metadata: Readonly<Record<string, string>>,
  bytesMax: number,
  losses: string[],
): Record<string, string> {
  const kept: Record<string, string> = {};
  let sizeBytes = 0;
  for (const name of Object.keys(metadata).toSorted()) {
    const value = metadata[name] as string;
    const entryBytes = Buffer.byteLength(name) + Buffer.byteLength(value);
    if (sizeBytes + entryBytes > bytesMax) {
      losses.push(`The metadata entry "${name}" does not fit into ${bytesMax} bytes; it was left behind.`);
    } else {
      sizeBytes += entryBytes;
      kept[name] = value;
    }
  }
  return kept;
}

function withinCount(
  tags: Readonly<Record<string, string>>,
  countMax: number,
  losses: string[],
): Record<string, string> {
  const names = Object.keys(tags).toSorted();
  for (const name of names.slice(countMax)) {
    losses.push(`The store holds at most ${countMax} tags; "${name}" was left behind.`);
  }
  return Object.fromEntries(names.slice(0, countMax).map((name) => [name, tags[name] as string]));
}
