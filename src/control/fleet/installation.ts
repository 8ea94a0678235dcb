/** What holds for the whole installation, whatever the single processes were started with. */
import { sql } from 'kysely';
import { inDatabase } from '../runs/database-errors.ts';
import type { Db, Tx } from '../world.ts';

const RUNS_MAX_FACT = 'runs-max';

/** How many runs go on at once, as the server that started last has said; `fallback` before any has. */
export async function runsMaxOf(db: Db | Tx, fallback: number): Promise<number> {
  const { rows } = await sql<{ value: { readonly runsMax: number } }>`
    SELECT value FROM facts_of_installation WHERE name = ${RUNS_MAX_FACT}`.execute(db);
  return rows[0]?.value.runsMax ?? fallback;
}

/** From now on, for everybody: workers on other machines need not be told. */
export async function setRunsMax(db: Db, runsMax: number): Promise<void> {
  const value = JSON.stringify({ runsMax });
  await inDatabase(() =>
    sql`INSERT INTO facts_of_installation (name, value) VALUES (${RUNS_MAX_FACT}, ${value}::jsonb)
      ON CONFLICT (name) DO UPDATE SET value = excluded.value
      WHERE facts_of_installation.value IS DISTINCT FROM excluded.value`.execute(db),
  );
}
