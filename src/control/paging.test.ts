import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ListQuery } from './entities.ts';
import { newId } from './ids.ts';
import { listPage } from './paging.ts';
import { openTestWorld, type TestWorld } from './testing.ts';

let world: TestWorld;
beforeAll(async () => void (world = await openTestWorld()));
afterAll(() => world.close());

const page = (query: ListQuery) =>
  listPage(world.db, world.db.selectFrom('timetables').selectAll(), {
    query,
    sorts: {
      name: { sql: 'timetables.name', type: 'text' },
      some: { sql: "CASE WHEN timetables.name < 't20' THEN timetables.name END", type: 'text', nullable: true },
    },
    defaultSort: 'name',
    id: { sql: 'timetables.id', type: 'uuid' },
    values: {},
    filters: { name: (values) => sql<boolean>`timetables.name = ANY(${values as string[]})` },
    searched: null,
    idOf: (row) => row.id,
  });

/** Members that every object has without anybody having listed them. */
const INHERITED = ['constructor', '__proto__', 'toString', 'hasOwnProperty', 'valueOf'];

test.each(INHERITED)('%s is no filter and no order', async (name) => {
  const filter = Object.fromEntries([[name, ['x']]]);
  await expect(page({ filter })).rejects.toMatchObject({ code: 'INVALID_INPUT', field: `filter.${name}` });
  await expect(page({ sort: name })).rejects.toMatchObject({ code: 'INVALID_INPUT', field: 'sort' });
  await expect(page({ sort: `-${name}` })).rejects.toMatchObject({ code: 'INVALID_INPUT', field: 'sort' });
});

test('what was listed is there', async () => {
  await expect(page({ filter: { name: ['x'] }, sort: '-name' })).resolves.toMatchObject({ items: [] });
});

test('a page can be jumped to, and the pages after it follow as always', async () => {
  const names = Array.from({ length: 40 }, (_, at) => `t${String(at).padStart(2, '0')}`);
  await world.db
    .insertInto('timetables')
    .values(
      names.map((name) => ({
        id: newId(world),
        name,
        timetable: '{}',
        created_at: new Date(),
        created_by: 'x',
        updated_at: new Date(),
      })),
    )
    .execute();
  const jump = async (at: number, query: ListQuery = {}) => {
    const { items, total, position } = await page({ ...query, at, limit: 10 });
    return { names: items.map(({ name }) => name), total, position };
  };
  for (const at of [0, 0.1, 0.5, 0.73, 0.75, 0.9, 1]) {
    const position = Math.min(Math.floor(at * 40), 30);
    expect(await jump(at)).toEqual({ names: names.slice(position, position + 10), total: 40, position });
    const down = names.toReversed().slice(position, position + 10);
    expect(await jump(at, { sort: '-name' })).toEqual({ names: down, total: 40, position });
  }
  const middle = await page({ at: 0.5, limit: 10 });
  const { items } = await page({ cursor: middle.nextCursor ?? '', limit: 10 });
  expect(items.map(({ name }) => name)).toEqual(names.slice(30));
  expect(await jump(0.5, { filter: { name: ['t07', 't09'] } })).toEqual({
    names: ['t07', 't09'],
    total: 2,
    position: 0,
  });
  expect(await jump(1, { filter: { name: ['none'] } })).toEqual({ names: [], total: 0, position: 0 });
  await expect(page({ at: 0.5, cursor: middle.nextCursor ?? '' })).rejects.toMatchObject({ field: 'at' });
  await expect(page({ at: 1.5 })).rejects.toMatchObject({ field: 'at' });
});

test.each(['some', '-some'])(
  'pages by %s follow each other without a gap or a repeat over the border of nulls',
  async (sort) => {
    for (const limit of [1, 7, 19, 20, 21, 39, 40]) {
      const all: string[] = [];
      for (let cursor: string | null = ''; cursor !== null;) {
        const { items, nextCursor } = await page({ sort, limit, cursor });
        expect(items.length).toBeGreaterThan(0);
        all.push(...items.map(({ name }) => name));
        cursor = nextCursor;
      }
      expect(new Set(all).size).toBe(all.length);
      expect(all).toHaveLength(40);
      const some = all.filter((name) => name < 't20');
      expect(some).toEqual(sort === 'some' ? some.toSorted() : some.toSorted().toReversed());
      expect(sort === 'some' ? all.slice(20) : all.slice(0, 20)).toEqual(some);
    }
  },
);
