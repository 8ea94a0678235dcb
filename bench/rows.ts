/** Many jobs, runs and failed items, as copies of real rows: what lists have to cope with. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';

export interface Filled {
  readonly runId: string;
}

/** `data`: the server's data folder. Copies the first job and its run `count` times, and gives that run as many failures. */
export async function fillRows(data: string, count: number): Promise<Filled> {
  const inside = join(data, 'postgres');
  const password = readFileSync(join(inside, 'password'), 'utf8').trim();
  const client = new pg.Client({ user: 'drover', password, host: join(inside, 'socket'), database: 'drover' });
  await client.connect();
  try {
    const { rows } = await client.query<{ id: string; job_id: string }>(
      `SELECT id, job_id FROM runs WHERE ended_at IS NOT NULL ORDER BY queued_at LIMIT 1`,
    );
    const run = rows[0];
    if (run === undefined) throw new Error('A run must have ended first.');
    await client.query(
      `INSERT INTO jobs SELECT (jsonb_populate_record(job, jsonb_build_object(
         'id', gen_random_uuid(), 'name', 'Filled job ' || i, 'created_by', 'bench', 'last_run_id', NULL,
         'next_run_at', CASE WHEN i % 3 > 0 THEN now() + (i * 7907 % 100003) * interval '1 minute' END,
         'source_sub_path', 'p' || i || '/', 'target_sub_path', 'q' || i || '/',
         'created_at', now() - i * interval '1 minute'))).*
       FROM jobs job, generate_series(1, $2::int) i WHERE job.id = $1`,
      [run.job_id, count],
    );
    await client.query(
      `INSERT INTO runs SELECT (jsonb_populate_record(run, jsonb_build_object(
         'id', 'bench' || lpad(i::text, 10, '0'), 'job_id', filled.id, 'number', 1, 'created_by', 'bench',
         'transfer_id', 't' || i, 'pair_id', 'p' || i,
         'counters', jsonb_set(jsonb_set(run.counters, '{bytes,copied}', to_jsonb(CASE WHEN i % 3 > 0
           THEN i * 7919 % 100003 * 1000000 ELSE 0 END)), '{items,failed}', to_jsonb(CASE WHEN i % 4 = 2
           THEN i * 104729 % 100003 ELSE 0 END)),
         'state', (ARRAY['succeeded', 'failed', 'completed-with-issues', 'cancelled'])[1 + i % 4],
         'queued_at', now() - i * interval '1 minute', 'started_at', now() - i * interval '1 minute',
         'ended_at', now() - i * interval '1 minute'))).*
       FROM runs run, (SELECT id, row_number() OVER () AS i FROM jobs WHERE created_by = 'bench') filled
       WHERE run.id = $1`,
      [run.id],
    );
    await client.query(
      `INSERT INTO run_items (run_id, segment_id, result, code, size_bytes, key_text, record)
       SELECT $1, 's0', (ARRAY['failed', 'unsupported'])[1 + i % 2],
         (ARRAY['PERMISSION_DENIED', 'ARCHIVED', 'CHANGED'])[1 + i % 3], i, 'folder/' || md5(i::text) || '/file' || i,
         '{"key": "folder/file", "result": "failed", "kind": "object", "sizeBytes": 1, "code": "PERMISSION_DENIED"}'
       FROM generate_series(1, $2::int) i`,
      [run.id, count],
    );
    await client.query('VACUUM ANALYZE');
    return { runId: run.id };
  } finally {
    await client.end();
  }
}

export async function databaseBytes(data: string): Promise<number> {
  const inside = join(data, 'postgres');
  const password = readFileSync(join(inside, 'password'), 'utf8').trim();
  const client = new pg.Client({ user: 'drover', password, host: join(inside, 'socket'), database: 'drover' });
  await client.connect();
  try {
    const { rows } = await client.query<{ bytes: string }>(`SELECT pg_database_size(current_database()) AS bytes`);
    return Number(rows[0]?.bytes);
  } finally {
    await client.end();
  }
}
