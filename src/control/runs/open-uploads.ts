/** Uploads that ended runs have left open at their targets, in the way of deleting those runs: only their journal knows. */
import { sql, type RawBuilder } from 'kysely';
import type { Intent } from '../../engine/ports.ts';
import { DroverError } from '../../model/errors.ts';
import type { Removal } from '../services.ts';
import type { Audit, Tx } from '../world.ts';

const NAMED_MAX = 3;

/**
 * IN_USE while workers still have something to end at the target of any of these runs: without its journal nobody would.
 * `runs`: a condition on their rows, all of them ended. Returns what the audit log says of what is forgotten all the same.
 */
export async function refuseOpenUploads(
  tx: Tx,
  what: string,
  runs: RawBuilder<boolean>,
  { forgetUploads = false }: Removal,
): Promise<NonNullable<Parameters<Audit>[2]['changes']>> {
  const { rows } = await sql<{ intent: string; count: number }>`
    SELECT intents.intent, count(*) OVER ()::integer AS count FROM intents JOIN runs ON runs.id = intents.run_id
    WHERE ${runs} ORDER BY intents.run_id, intents.intent_id LIMIT ${NAMED_MAX}`.execute(tx);
  const count = rows[0]?.count ?? 0;
  if (count === 0) return {};
  if (forgetUploads) return { openUploads: [count, 0] };
  const names = rows.map(({ intent }) => JSON.stringify((JSON.parse(intent) as Intent).targetKey));
  const more = count > names.length ? ` and ${count - names.length} more` : '';
  throw new DroverError(
    'IN_USE',
    `${what} may have left uploads unfinished at the target: ${names.join(', ')}${more}. They cost money there, and nobody would end them any more.`,
    {
      remedy:
        'Wait: a worker ends them within a minute, or as soon as the target can be reached again. To leave them there, delete with --forget-uploads, or forgetUploads=true.',
    },
  );
}
