/** `--metadata refresh`: content that is the same may still carry other headers, metadata or tags; listings do not tell. */
import type { Entry, Properties } from '../model/entry.ts';
import type { SnapshotRow } from '../model/snapshot.ts';
import { recordOf, settle } from './account.ts';
import type { Settled } from './chunks.ts';
import type { RunContext } from './context.ts';
import { propertiesFor } from './copy-context.ts';
import { factsOf } from './failure-facts.ts';
import { onlyOfItem } from './only-of-item.ts';

export interface RefreshOrder {
  readonly source: Entry;
  readonly target: Entry;
  /** The outcome if nothing differs. */
  readonly settled: Settled;
  readonly row: SnapshotRow;
}

export async function refreshProperties(context: RunContext, order: RefreshOrder): Promise<Settled> {
  const { source, target } = order;
  const { signal } = context;
  try {
    const wanted = await propertiesFor(context, source, null, signal);
    const description = await context.target.describe(target, signal);
    const found = { ...description.properties, tags: await targetTags(context, target, description.properties) };
    if (isSameProperties(wanted, found)) return order.settled;
    const written = await context.target.facets.properties?.replace(target, wanted, signal);
    const row =
      written === undefined
        ? order.row
        : {
            ...order.row,
            target: {
              ...order.row.target,
              etag: written.identity.etag,
              versionId: written.identity.versionId,
              modifiedAtMs: written.modifiedAtMs,
            },
          };
    return settle(recordOf(source, 'same', 'properties-refreshed', { verification: row.verification }), row);
  } catch (error) {
    const failure = await onlyOfItem(context, error);
    return settle(recordOf(source, 'failed', failure.code, { details: failure.message, ...factsOf(error) }));
  }
}

async function targetTags(context: RunContext, target: Entry, properties: Properties): Promise<Properties['tags']> {
  if (properties.tags !== null || properties.tagCount === 0) return properties.tags;
  return (await context.target.facets.tags?.read(target, context.signal)) ?? null;
}

/** What stores report for an object that was written without a content type. */
const DEFAULT_TYPES = new Set(['application/octet-stream', 'binary/octet-stream']);

function isSameProperties(wanted: Properties, found: Properties): boolean {
  const { contentType } = found.headers;
  const isDefaulted = wanted.headers.contentType === undefined && DEFAULT_TYPES.has(contentType ?? '');
  const headers = isDefaulted ? { ...wanted.headers, contentType } : wanted.headers;
  return (
    sameMap(headers, found.headers) &&
    sameMap(wanted.metadata, found.metadata) &&
    (wanted.tags === null || sameMap(wanted.tags, found.tags ?? {}))
  );
}

function sameMap(a: object, b: object): boolean {
  const entriesOfA = Object.entries(a);
  const valuesOfB = b as Readonly<Record<string, unknown>>;
  return entriesOfA.length === Object.keys(b).length && entriesOfA.every(([name, value]) => valuesOfB[name] === value);
}
