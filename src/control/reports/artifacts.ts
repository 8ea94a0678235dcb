/** The files made from runs, over all runs. */
import { sql } from 'kysely';
import { DroverError, type Failure } from '../../model/errors.ts';
import { makeAudit } from '../audit.ts';
import type { Actor, Artifact, ListQuery, Page } from '../entities.ts';
import { FILTERS } from '../filters.ts';
import { filtersOf, listPage, type Listing } from '../paging.ts';
import { demand } from '../people/roles.ts';
import { found, isoOf, isoOrNull, isUuid } from '../rows.ts';
import type { ControlWorld, Db, Tx } from '../world.ts';

export async function artifactRow(db: Db | Tx, id: string) {
  const row = isUuid(id)
    ? await db.selectFrom('artifacts').selectAll().where('id', '=', id).executeTakeFirst()
    : undefined;
  return found(row, 'artifact', id);
}

type ArtifactRow = Awaited<ReturnType<typeof artifactRow>>;

export function artifactOf(row: ArtifactRow): Artifact {
  return {
    id: row.id,
    runId: row.run_id,
    kind: row.kind as Artifact['kind'],
    fileName: row.file_name,
    state: row.state as Artifact['state'],
    sizeBytes: row.size_bytes === null ? null : Number(row.size_bytes),
    sha256: row.sha256,
    error: row.error as Failure | null,
    attempts: row.attempts,
    createdAt: isoOf(row.created_at),
    createdBy: row.created_by,
    expiresAt: isoOrNull(row.expires_at),
  };
}

export async function listArtifacts({ db }: ControlWorld, actor: Actor, query: ListQuery): Promise<Page<Artifact>> {
  demand(actor, 'read');
  const page = await listPage(db, db.selectFrom('artifacts').selectAll(), { ...ARTIFACTS, query });
  return { ...page, items: page.items.map(artifactOf) };
}

/** What began to go is taken for not yet gone so long after; then retention takes away its file. */
const REMOVAL = sql<Date>`now() + interval '1 hour'`;

/**
 * Its row says first that it is gone, then the file goes while nothing is locked, then the row: a crash in between leaves
 * a row that can be removed once more, and a file that retention takes away.
 */
export async function removeArtifact(world: ControlWorld, actor: Actor, id: string): Promise<void> {
  demand(actor, 'report');
  const { db, artifacts, bus, clock } = world;
  const { file_name: name } = await artifactRow(db, id);
  const objectName = await db.transaction().execute(async (tx) => {
    // Whoever would make it meanwhile passes it by.
    const row = await tx
      .selectFrom('artifacts')
      .select(['object_name', sql<boolean>`state = 'pending' AND coalesce(taken_until > now(), false)`.as('is_made')])
      .where('id', '=', id)
      .forUpdate()
      .executeTakeFirst();
    const { object_name: toRemove, is_made: isMade } = found(row, 'artifact', id);
    if (isMade) {
      throw new DroverError('WRONG_STATE', `"${name}" is being made right now.`, {
        remedy: 'Wait until it is ready, then delete it.',
      });
    }
    await tx.updateTable('artifacts').set({ state: 'expired', taken_until: REMOVAL }).where('id', '=', id).execute();
    await bus.tell('artifact', id, tx);
    return toRemove;
  });
  await artifacts.removeAll(objectName);
  await db.transaction().execute(async (tx) => {
    const row = await tx.deleteFrom('artifacts').where('id', '=', id).returning('run_id').executeTakeFirst();
    const { run_id: runId } = found(row, 'artifact', id);
    const line = { action: 'artifact.remove', entityKind: 'artifact', entityId: id, entityName: name };
    await makeAudit(clock)(tx, actor, { ...line, changes: { runId: [runId, null] } });
    await bus.tell('artifact', id, tx);
  });
}

const ARTIFACTS: Omit<Listing<ArtifactRow>, 'query'> = {
  sorts: {
    createdAt: { sql: 'artifacts.created_at', type: 'timestamptz' },
    size: { sql: 'artifacts.size_bytes', type: 'bigint', nullable: true },
  },
  defaultSort: '-createdAt',
  id: { sql: 'artifacts.id', type: 'uuid' },
  ...filtersOf(FILTERS.artifacts, {
    runId: (values) => sql<boolean>`artifacts.run_id = ANY(${values})`,
    jobId: (values) =>
      sql<boolean>`artifacts.run_id IN (SELECT id FROM runs WHERE job_id = ANY(${values.filter(isUuid)}::uuid[]))`,
    kind: (values) => sql<boolean>`artifacts.kind = ANY(${values})`,
    state: (values) => sql<boolean>`artifacts.state = ANY(${values})`,
  }),
  searched: 'artifacts.file_name',
  idOf: (row) => row.id,
};
