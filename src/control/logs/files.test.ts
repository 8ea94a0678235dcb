/** The run log and the audit log as files. */
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeConnector, makeJob, makeRunRow } from '../../../test/control/made.ts';
import type { Logs } from '../services.ts';
import { openTestWorld, type TestWorld } from '../testing.ts';
import { openLogs } from './service.ts';

const RUN = 'filetest1a';
const LINES = 2_500;
let world: TestWorld;
let logs: Logs;

beforeAll(async () => {
  world = await openTestWorld();
  logs = openLogs(world);
  const connectorId = await makeConnector(world, { provider: 'memory', config: {}, fingerprint: 'f' });
  const job = await makeJob(world, { connectorId, container: 's' }, { connectorId, container: 't' });
  await makeRunRow(world, job, RUN);
  await sql`INSERT INTO run_log (run_id, at, level, code, message)
    SELECT ${RUN}, '2026-01-01T00:00:00Z', CASE WHEN n % 5 = 0 THEN 'warn' ELSE 'info' END,
      CASE WHEN n % 5 = 0 THEN 'PLACE_NOT_FOUND' END, '=cmd|' || n || E'"a,b\nc'
    FROM generate_series(1, ${LINES}) AS n`.execute(world.db);
  await sql`INSERT INTO audit (at, actor_kind, actor_name, action, entity_kind, entity_name, changes)
    SELECT '2026-01-01T00:00:00Z', 'person', '@ana', CASE WHEN n % 2 = 0 THEN 'job.update' ELSE 'job.create' END, 'job',
      'Photos ' || n, '{"name": ["a", "b"]}'::jsonb FROM generate_series(1, ${LINES}) AS n`.execute(world.db);
});
afterAll(() => world.close());

async function textOf(file: AsyncIterable<Uint8Array>): Promise<{ text: string; partBytesMax: number }> {
  const parts: Uint8Array[] = [];
  for await (const part of file) parts.push(part);
  return { text: Buffer.concat(parts).toString(), partBytesMax: Math.max(0, ...parts.map(({ length }) => length)) };
}

test('of a run as CSV: every line once, in order, in parts, and nothing a spreadsheet would run', async () => {
  const { text, partBytesMax } = await textOf(await logs.linesFile(world.as('viewer'), RUN, 'csv', {}));
  const rows = text.slice(1).split('\r\n');
  expect(text.startsWith('\ufeffNumber,Time,Level,Code,Message,StorageMoverCodes\r\n')).toBe(true);
  expect(rows).toHaveLength(LINES + 2);
  expect(rows[1]).toMatch(/^\d+,2026-01-01T00:00:00.000Z,info,,"'=cmd\|1""a,b\nc",$/);
  expect(rows[5]).toContain('PLACE_NOT_FOUND');
  expect(rows[5]).toMatch(/AZSM1004 AZSM1022$/);
  expect(rows[LINES]).toContain(`|${LINES}"`);
  expect(partBytesMax).toBeLessThan(text.length / 2);
});

test('of a run as NDJSON: only what was asked for', async () => {
  const filter = { filter: { level: ['warn'] }, sort: '-number', search: 'cmd' };
  const { text } = await textOf(await logs.linesFile(world.as('viewer'), RUN, 'ndjson', filter));
  const rows = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(rows).toHaveLength(LINES / 5);
  expect(rows[0]).toMatchObject({
    level: 'warn',
    message: `=cmd|${LINES}"a,b\nc`,
    storageMoverCodes: ['AZSM1004', 'AZSM1022'],
  });
});

test('of what was done: filtered, newest first, names escaped', async () => {
  const query = { filter: { action: ['job.update'] } };
  const { text } = await textOf(await logs.auditFile(world.as('admin'), 'csv', query));
  const rows = text.trimEnd().split('\r\n');
  expect(rows).toHaveLength(LINES / 2 + 1);
  expect(rows[1]).toContain(`person,'@ana,,,job.update,job,,Photos ${LINES},"{""name"":[""a"",""b""]}"`);
  const json = await textOf(await logs.auditFile(world.as('admin'), 'ndjson', query));
  expect(JSON.parse(json.text.split('\n')[0] as string)).toMatchObject({ entityName: `Photos ${LINES}` });
});

test('says no before a file begins', async () => {
  await expect(logs.auditFile(world.as('viewer'), 'csv', {})).rejects.toMatchObject({ code: 'FORBIDDEN' });
  await expect(logs.linesFile(world.as('viewer'), 'nothere00', 'csv', {})).rejects.toMatchObject({
    code: 'ENTITY_NOT_FOUND',
  });
  await expect(logs.linesFile(world.as('viewer'), RUN, 'csv', { filter: { nope: ['x'] } })).rejects.toMatchObject({
    code: 'INVALID_INPUT',
  });
});

test('of nothing: the head, or nothing', async () => {
  const none = { filter: { level: ['error'] } };
  expect(
    (await textOf(await logs.linesFile(world.as('viewer'), RUN, 'csv', none))).text.trimEnd().split('\r\n'),
  ).toHaveLength(1);
  expect((await textOf(await logs.linesFile(world.as('viewer'), RUN, 'ndjson', none))).text).toBe('');
});
