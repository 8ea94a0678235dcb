/** What all lists share: how much, in which order, which ones. */
import type { Command } from 'commander';
import { DroverError } from '../../model/errors.ts';
import { parseCount } from '../units.ts';
import { record, type Remote } from './remote.ts';
import { table, type Column } from './table.ts';

export interface ListGiven {
  readonly limit?: string;
  readonly sort?: string;
  readonly search?: string;
  readonly filter?: readonly string[];
}

export interface Query {
  readonly sort?: string;
  readonly search?: string;
  readonly [filter: `filter.${string}`]: string[];
}

interface PageQuery extends Query {
  readonly limit: number;
  readonly cursor?: string;
}

export interface List<T> {
  /** Of a JSON line. */
  readonly kind: string;
  readonly columns: readonly Column<T>[];
  /** Said when there is none at all. */
  readonly none: string;
  readonly page: (
    query: PageQuery,
  ) => Promise<{ data?: { readonly items: readonly T[]; readonly nextCursor: string | null } }>;
}

export const collect = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];

/** Which ones; what acts on all of them has no order and no end. */
export function addNarrowingOptions(command: Command): Command {
  return command
    .option('--search <words>', 'only those that hold these words')
    .option('--filter <name=value>', 'only those whose field has this value; can be repeated', collect);
}

export function addListOptions(command: Command): Command {
  return addNarrowingOptions(command)
    .option('--sort <field>', 'in this order; "-" before it for the other way round')
    .option('--limit <n>', 'show this many at most', '100');
}

const PAGE_MAX = 1_000;

/** Page by page, as many as were asked for. `fixed`: filters that options of their own stand for, by name. */
export async function showList<T>(
  { session }: Remote,
  given: ListGiven,
  fixed: Readonly<Record<string, readonly string[]>>,
  list: List<T>,
): Promise<void> {
  const wanted = parseCount(given.limit ?? '100', '--limit', 1, 10_000_000);
  const query = queryOf(given, fixed);
  const entries: T[] = [];
  let cursor: string | null = null;
  do {
    const limit = Math.min(PAGE_MAX, wanted - entries.length);
    const page: Awaited<ReturnType<typeof list.page>> = await list.page({
      ...query,
      limit,
      ...(cursor === null ? {} : { cursor }),
    });
    const items: readonly T[] = page.data?.items ?? [];
    for (const item of items) await record(session, list.kind, item);
    entries.push(...items);
    cursor = page.data?.nextCursor ?? null;
  } while (cursor !== null && entries.length < wanted);
  if (session.terminal.options.json) return;
  if (entries.length === 0) await session.terminal.print(list.none);
  else await session.terminal.print(table(list.columns, entries));
  if (cursor !== null) await session.terminal.say(`There are more than ${wanted}; a higher --limit shows them.`);
}

export function queryOf(given: ListGiven, fixed: Readonly<Record<string, readonly string[]>>): Query {
  const filters: Record<`filter.${string}`, string[]> = {};
  for (const text of given.filter ?? []) {
    const at = text.indexOf('=');
    if (at < 1) {
      throw new DroverError('USAGE', `"${text}" is no filter.`, { field: '--filter', remedy: 'Write NAME=VALUE.' });
    }
    (filters[`filter.${text.slice(0, at)}`] ??= []).push(text.slice(at + 1));
  }
  for (const [name, values] of Object.entries(fixed)) {
    if (values.length > 0) (filters[`filter.${name}`] ??= []).push(...values);
  }
  return {
    ...(given.sort === undefined ? {} : { sort: given.sort }),
    ...(given.search === undefined ? {} : { search: given.search }),
    ...filters,
  };
}
