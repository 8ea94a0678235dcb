/**
 * One way to page for every list: by the value sorted by and the id, so that a page costs the same wherever it stands
 * and nothing is shown twice when rows come and go. A cursor holds the position, never an offset.
 */
import { sql, type Kysely, type SelectQueryBuilder } from 'kysely';
import { nearest } from '../lib/nearest.ts';
import { DroverError } from '../model/errors.ts';
import type { ListQuery, Page } from './entities.ts';
import type { Schema } from './database/schema.ts';
import type { FilterNames } from './filters.ts';

export const PAGE_DEFAULT = 100;
export const PAGE_MAX = 1_000;
/** Counting further than this would cost more than the number is worth. */
export const TOTAL_MAX = 1_000_000;
const NAMED_MAX = 20;

/** A column to sort by: an SQL expression without parameters that an index holds, and its type for the cursor. */
export interface SortColumn {
  readonly sql: string;
  readonly type: 'text' | 'timestamptz' | 'bigint' | 'integer' | 'uuid';
  /** Nulls stand first going up and last going down: its index must say NULLS FIRST. */
  readonly nullable?: boolean;
}

export interface Listing<Row> {
  readonly query: ListQuery;
  /** Sort name → column; the first one is the default. `-name` sorts descending. */
  readonly sorts: Readonly<Record<string, SortColumn>>;
  readonly defaultSort: string;
  /** Unique column that breaks ties. */
  readonly id: SortColumn;
  /** Filter name → condition for any of the values. Unknown names are INVALID_INPUT. */
  readonly filters: Readonly<Record<string, Condition>>;
  /** What a filter may be given; any other value is INVALID_INPUT. */
  readonly values: FilterNames;
  /** The same rows without what is joined only to be shown: enough to count them, unless words are searched for. */
  readonly counted?: SelectQueryBuilder<any, any, any>;
  /** Expression that a search looks into. */
  readonly searched: string | null;
  readonly idOf: (row: Row) => string;
}

type Condition = (values: readonly string[]) => ReturnType<typeof sql<boolean>>;

/** A condition for each filter that this list is documented with. */
export function filtersOf<const Names extends FilterNames>(
  values: Names,
  filters: Readonly<Record<keyof Names & string, Condition>>,
): Pick<Listing<never>, 'filters' | 'values'> {
  return { filters, values };
}

interface Position {
  readonly sort: string;
  readonly value: string | null;
  readonly id: string;
  /** The page begins with it instead of after it. */
  readonly isIncluded?: boolean;
}

/**
 * Runs `base` (which selects everything a row needs) for one page. The rows carry `_sort` beside their own columns.
 * INVALID_INPUT names `sort`, `filter.NAME`, `cursor` or `limit`.
 */
export async function listPage<Row extends object>(
  db: Kysely<Schema>,
  // The builder's type depends on the joins of the caller; only its conditions are touched here.
  base: SelectQueryBuilder<any, any, Row>,
  listing: Listing<Row>,
): Promise<Page<Row>> {
  const { query, id } = listing;
  const limit = limitOf(query);
  const sort = query.sort ?? listing.defaultSort;
  const descending = sort.startsWith('-');
  const column = own(listing.sorts, descending ? sort.slice(1) : sort);
  if (column === undefined) {
    throw invalid('sort', `There is no order "${sort}"; there are: ${Object.keys(listing.sorts).join(', ')}.`);
  }
  const order: Order = { sort, column, id, descending };
  const filtered = narrow(base, listing);
  const hasWords = (query.search ?? '').trim() !== '';
  const countable = listing.counted === undefined || hasWords ? filtered : narrow(listing.counted, listing);
  const total = query.withTotal === true || query.at !== undefined ? await count(db, countable) : null;
  const jump = await jumpTo(countable, query, order, total ?? 0, limit);
  const position = jump === null ? positionOf(query, sort) : jump.first;
  const rows: Row[] = [];
  for (const stretch of after(filtered, position, order)) {
    if (rows.length > limit) break;
    const sorted = ordered(stretch.select(sql<string | null>`(${sql.raw(column.sql)})::text`.as('_sort')), order);
    rows.push(...((await sorted.limit(limit + 1 - rows.length).execute()) as Row[]));
  }
  const items = rows.slice(0, limit) as (Row & { _sort: string | null })[];
  const last = items.at(-1);
  const nextCursor =
    rows.length > limit && last !== undefined
      ? encode({ sort, value: last._sort, id: listing.idOf(last as unknown as Row) })
      : null;
  const page = { items: items as unknown as Row[], nextCursor, total };
  return jump === null ? page : { ...page, position: jump.position };
}

interface Order {
  readonly sort: string;
  readonly column: SortColumn;
  readonly id: SortColumn;
  readonly descending: boolean;
}

function ordered<Row>(
  rows: SelectQueryBuilder<any, any, Row>,
  { column, id, descending }: Order,
): SelectQueryBuilder<any, any, Row> {
  return rows
    .orderBy(sql.raw(column.sql), (order) => {
      const directed = descending ? order.desc() : order.asc();
      // Said only where it matters: an index without it serves an order without it.
      if (column.nullable !== true) return directed;
      return descending ? directed.nullsLast() : directed.nullsFirst();
    })
    .orderBy(sql.raw(id.sql), descending ? 'desc' : 'asc');
}

interface Jump {
  /** `null`: the list is empty. */
  readonly first: Position | null;
  readonly position: number;
}

/** Only the place is looked for by counting, in rows without what is shown; the page then begins there as any other. */
async function jumpTo(
  countable: SelectQueryBuilder<any, any, any>,
  { at, cursor }: ListQuery,
  order: Order,
  total: number,
  limit: number,
): Promise<Jump | null> {
  if (at === undefined) return null;
  if (cursor !== undefined && cursor !== '')
    throw invalid('at', 'Give either a cursor or a place to jump to, not both.');
  if (!(at >= 0 && at <= 1)) throw invalid('at', 'Give a number from 0 to 1.');
  const position = Math.max(0, Math.min(Math.floor(at * total), total - limit));
  const { sort, column, id } = order;
  const found = ordered(countable.clearSelect(), order)
    .select([
      sql<string | null>`(${sql.raw(column.sql)})::text`.as('value'),
      sql<string>`(${sql.raw(id.sql)})::text`.as('id'),
    ])
    .offset(position)
    .limit(1);
  const row = (await found.executeTakeFirst()) as { value: string | null; id: string } | undefined;
  return { first: row === undefined ? null : { sort, ...row, isIncluded: true }, position };
}

/** Only the rows that the query wants, of all pages. */
export function narrow<Row>(
  base: SelectQueryBuilder<any, any, Row>,
  listing: Listing<Row>,
): SelectQueryBuilder<any, any, Row> {
  let narrowed = base;
  for (const [name, values] of Object.entries(listing.query.filter ?? {})) {
    const condition = own(listing.filters, name);
    if (condition === undefined) {
      throw invalid(
        `filter.${name}`,
        `There is no filter "${name}"; there are: ${Object.keys(listing.filters).join(', ')}.`,
      );
    }
    for (const value of values) refuseOther(name, value, own(listing.values, name) ?? null);
    if (values.length > 0) narrowed = narrowed.where(condition(values));
  }
  const words = (listing.query.search ?? '').split(/\s+/).filter((word) => word !== '');
  if (words.length > 0 && listing.searched === null) throw invalid('search', 'This list cannot be searched.');
  for (const word of words) {
    const pattern = `%${word.replaceAll(/[\\%_]/g, '\\$&')}%`;
    narrowed = narrowed.where(sql<boolean>`${sql.raw(listing.searched ?? '')} ILIKE ${pattern}`);
  }
  return narrowed;
}

/** A value that nothing can have would look like a list that is empty. */
function refuseOther(name: string, value: string, known: readonly string[] | null): void {
  if (known === null || known.includes(value)) return;
  const meant = nearest(value, known);
  const words = `Nothing can have "${value.slice(0, 100)}" as its ${name}.`;
  // Some lists of codes are too long for a sentence.
  const there = known.length > NAMED_MAX ? 'The reference has all of them.' : `There are: ${known.join(', ')}.`;
  throw invalid(`filter.${name}`, [words, ...(meant === null ? [] : [`Did you mean "${meant}"?`]), there].join(' '));
}

function positionOf({ cursor }: ListQuery, sort: string): Position | null {
  if (cursor === undefined || cursor === '') return null;
  const position = decode(cursor);
  if (position !== null && position.sort === sort) return position;
  throw invalid('cursor', 'This cursor does not belong to this list in this order; start without one.');
}

/**
 * What comes after that position, one stretch after the other: a condition on both sides of where the nulls begin would
 * be looked up in no index, and a page far behind would read all before it.
 */
function after<Row>(
  narrowed: SelectQueryBuilder<any, any, Row>,
  position: Position | null,
  { column, id, descending }: Order,
): readonly SelectQueryBuilder<any, any, Row>[] {
  if (position === null) return [narrowed];
  const value = sql.raw(column.sql);
  const idValue = sql.raw(id.sql);
  const at = sql`${position.value}::${sql.raw(column.type)}`;
  const idAt = sql`${position.id}::${sql.raw(id.type)}`;
  const further = sql.raw(`${descending ? '<' : '>'}${position.isIncluded === true ? '=' : ''}`);
  if (position.value === null) {
    const rest = narrowed.where(sql<boolean>`${value} IS NULL AND ${idValue} ${further} ${idAt}`);
    return descending ? [rest] : [rest, narrowed.where(sql<boolean>`${value} IS NOT NULL`)];
  }
  const rest = narrowed.where(sql<boolean>`(${value}, ${idValue}) ${further} (${at}, ${idAt})`);
  const hasNulls = descending && column.nullable === true;
  return hasNulls ? [rest, narrowed.where(sql<boolean>`${value} IS NULL`)] : [rest];
}

async function count<Row>(db: Kysely<Schema>, narrowed: SelectQueryBuilder<any, any, Row>): Promise<number> {
  const limited = narrowed
    .clearSelect()
    .select(sql`1`.as('one'))
    .limit(TOTAL_MAX);
  const row = await db
    .selectFrom(limited.as('counted'))
    .select(sql<string>`count(*)`.as('rows'))
    .executeTakeFirstOrThrow();
  return Number(row.rows);
}

/** What was listed under that name, and nothing that every object has. */
function own<T>(named: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(named, name) ? named[name] : undefined;
}

function limitOf({ limit }: ListQuery): number {
  if (limit === undefined) return PAGE_DEFAULT;
  if (!Number.isInteger(limit) || limit < 1 || limit > PAGE_MAX) {
    throw invalid('limit', `Give a whole number from 1 to ${PAGE_MAX}.`);
  }
  return limit;
}

function encode(position: Position): string {
  return Buffer.from(JSON.stringify([position.sort, position.value, position.id])).toString('base64url');
}

function decode(cursor: string): Position | null {
  try {
    const [sort, value, id] = JSON.parse(Buffer.from(cursor, 'base64url').toString()) as unknown[];
    const isPosition =
      typeof sort === 'string' && (value === null || typeof value === 'string') && typeof id === 'string';
    return isPosition ? { sort, value, id } : null;
  } catch {
    return null;
  }
}

function invalid(field: string, message: string): DroverError {
  return new DroverError('INVALID_INPUT', message, { field });
}
