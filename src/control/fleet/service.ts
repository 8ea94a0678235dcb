/** Who works, as administrators see it. */
import { sql } from 'kysely';
import { DroverError } from '../../model/errors.ts';
import { makeAudit } from '../audit.ts';
import type { WorkerNode } from '../entities.ts';
import { demand } from '../people/roles.ts';
import { isUuid } from '../rows.ts';
import { inDatabase } from '../runs/database-errors.ts';
import { IS_HELD } from '../runs/store-rows.ts';
import type { Fleet } from '../services.ts';
import type { ControlWorld } from '../world.ts';

/** Workers that left are shown for so long. */
const GONE_SHOWN_HOURS = 24;

export function openFleet(world: ControlWorld): Fleet {
  const { db, bus, clock } = world;
  const audit = makeAudit(clock);
  return {
    async list(actor) {
      demand(actor, 'read');
      const { rows } = await inDatabase(() =>
        sql<Row>`
          SELECT workers.*,
            (SELECT count(*)::integer FROM run_workers WHERE run_workers.worker_id = workers.id
              AND run_workers.left_at IS NULL AND workers.state <> 'gone') AS runs,
            (SELECT count(*)::integer FROM segments WHERE segments.worker_id = workers.id AND ${IS_HELD}) AS segments,
            costs.*
          FROM workers CROSS JOIN LATERAL (
            SELECT coalesce(sum(claims), 0)::float8 AS claims, coalesce(sum(takeovers), 0)::float8 AS taken_over,
              coalesce(sum(waits), 0)::float8 AS waits, coalesce(sum(idle_ms), 0)::float8 AS idle_ms
            FROM run_workers WHERE run_workers.worker_id = workers.id) AS costs
          WHERE state <> 'gone' OR seen_at > clock_timestamp() - ${GONE_SHOWN_HOURS} * interval '1 hour'
          ORDER BY state = 'gone', started_at, id`.execute(db),
      );
      return rows.map(workerOf);
    },
    async drain(actor, workerId) {
      demand(actor, 'fleet');
      await inDatabase(() =>
        db.transaction().execute(async (tx) => {
          const known = isUuid(workerId)
            ? await tx.selectFrom('workers').select(['name', 'state']).where('id', '=', workerId).executeTakeFirst()
            : undefined;
          if (known === undefined) {
            throw new DroverError('ENTITY_NOT_FOUND', `There is no worker with the id "${workerId}".`);
          }
          if (known.state === 'gone') {
            throw new DroverError('WRONG_STATE', `The worker "${known.name}" is gone already.`);
          }
          await tx.updateTable('workers').set({ state: 'draining' }).where('id', '=', workerId).execute();
          const line = { entityKind: 'worker', entityId: workerId, entityName: known.name };
          await audit(tx, actor, { action: 'worker.drain', ...line });
          await bus.tell('worker', workerId, tx);
        }),
      );
    },
  };
}

interface Row {
  readonly id: string;
  readonly name: string;
  readonly host: string;
  readonly pid: number;
  readonly program_version: string;
  readonly state: string;
  readonly started_at: Date;
  readonly seen_at: Date;
  readonly runs: number;
  readonly segments: number;
  readonly claims: number;
  readonly taken_over: number;
  readonly waits: number;
  readonly idle_ms: number;
}

function workerOf(row: Row): WorkerNode {
  return {
    id: row.id,
    name: row.name,
    host: row.host,
    pid: row.pid,
    programVersion: row.program_version,
    state: row.state as WorkerNode['state'],
    startedAt: row.started_at.toISOString(),
    seenAt: row.seen_at.toISOString(),
    runs: row.runs,
    segments: row.segments,
    claims: row.claims,
    takeovers: row.taken_over,
    waits: row.waits,
    idleMs: row.idle_ms,
  };
}
