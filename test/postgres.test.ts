import pg from 'pg';
import { describe, expect, inject, test } from 'vitest';
import { openTestDatabase } from './postgres.ts';

describe.skipIf(inject('servers').postgres === null)('test databases', () => {
  test('are empty, apart from each other, and gone when dropped', async () => {
    const [first, second] = await Promise.all([openTestDatabase(), openTestDatabase()]);
    const client = new pg.Client({ connectionString: first.url });
    client.on('error', () => undefined);
    await client.connect();
    await client.query('CREATE TABLE only_here (a int)');
    const other = new pg.Client({ connectionString: second.url });
    await other.connect();
    await expect(other.query('SELECT * FROM only_here')).rejects.toThrow('does not exist');
    await other.end();
    await second.drop();
    await first.drop();
    await expect(new pg.Client({ connectionString: first.url }).connect()).rejects.toThrow('does not exist');
  });
});
