/** Taking away a run that has ended, with its history and files; what it copied stays where it is. */
import { sql, type RawBuilder } from 'kysely';
import { chunkPrefix } from '../../engine/chunks.ts';
import { DroverError } from '../../model/errors.ts';
import type { Actor, Run } from '../entities.ts';
import { demand } from '../people/roles.ts';
import { HAS_NEWEST_SNAPSHOT, IS_READ } from '../retention/kept.ts';
import type { Audit, ControlWorld, Tx } from '../world.ts';
import type { Removal } from '../services.ts';
import { refuseOpenUploads } from './open-uploads.ts';
import { runOf, runRow } from './rows.ts';
import { hasEnded } from './states.ts';

/**
 * WRONG_STATE before its end, IN_USE while another run needs what it found or it may have left uploads open. Files go between two transactions: whoever
 * dies there leaves a run without logs, which can be deleted again; what is left of its logs goes with the old ones.
 */
export async function removeRun(
  { db, bus, artifacts }: ControlWorld,
  audit: Audit,
  actor: Actor,
  id: string,
  how: Removal = {},
): Promise<void> {
  demand(actor, 'define');
  await db.transaction().execute(async (tx) => {
    const run = await refuseNeeded(tx, id);
    await refuseOpenUploads(tx, nameOf(run), ofRun(id), how);
    await tx
      .updateTable('runs')
      .set({
        logs_expired: true,
        has_snapshot: false,
        cleaning_attempts: 1,
        cleaning_after: sql<Date>`clock_timestamp() + interval '1 hour'`,
      })
      .where('id', '=', id)
      .execute();
  });
  for (const prefix of [chunkPrefix(id), `reports/${id}/`]) await artifacts.removeAll(prefix);
  await db.transaction().execute(async (tx) => {
    const run = runOf(await runRow(tx, id));
    // As whoever starts a run of the job does: the job first, then its runs.
    await tx.selectFrom('jobs').select('id').where('id', '=', run.jobId).forUpdate().execute();
    const changes = await refuseOpenUploads(tx, nameOf(run), ofRun(id), how);
    await tx.deleteFrom('runs').where('id', '=', id).execute();
    // Its files have gone already.
    await tx.deleteFrom('removed_runs').where('id', '=', id).execute();
    const line = { action: 'run.remove', entityKind: 'run', entityId: id, entityName: `${run.jobName} #${run.number}` };
    await audit(tx, actor, { ...line, changes });
    await bus.tell('run', id, tx);
    await bus.tell('job', run.jobId, tx);
  });
}

const ofRun = (id: string): RawBuilder<boolean> => sql<boolean>`runs.id = ${id}`;

function nameOf({ number, jobName }: Run): string {
  return `Run ${number} of "${jobName}"`;
}

async function refuseNeeded(tx: Tx, id: string): Promise<Run> {
  const run = runOf(await runRow(tx, id));
  const { rows } = await sql<{ isNewest: boolean; isRead: boolean }>`
    SELECT ${HAS_NEWEST_SNAPSHOT} AS "isNewest", ${IS_READ} AS "isRead" FROM runs WHERE id = ${id} FOR UPDATE`.execute(
    tx,
  );
  if (!hasEnded(run.state)) {
    throw new DroverError('WRONG_STATE', `Run ${run.number} of "${run.jobName}" has not ended.`, {
      remedy: 'Cancel it first, or wait for its end.',
    });
  }
  if (rows[0]?.isRead === true) {
    throw new DroverError('IN_USE', `A run that is going on repeats what failed in run ${run.number}.`, {
      remedy: 'Wait for its end.',
    });
  }
  if (rows[0]?.isNewest === true) {
    throw new DroverError(
      'IN_USE',
      `The next run of "${run.jobName}" compares with what run ${run.number} found, and would have to look at everything again.`,
      { remedy: 'Delete it after the next run has succeeded, or delete the whole job.' },
    );
  }
  return run;
}
