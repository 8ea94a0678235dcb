import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ListQuery } from './entities.ts';
import { listPage } from './paging.ts';
import { openTestWorld, type TestWorld } from './testing.ts';

let world: TestWorld;
beforeAll(async () => void (world = await openTestWorld()));
afterAll(() => world.close());

const page = (query: ListQuery) =>
  listPage(world.db, world.db.selectFrom('timetables').selectAll(), {
    query,
    sorts: { name: { sql: 'timetables.name', type: 'text' } },
    defaultSort: 'name',
    id: { sql: 'timetables.id', type: 'uuid' },
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
