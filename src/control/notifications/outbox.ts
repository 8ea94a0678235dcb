/**
 * What people are to be told. A row is written in the transaction of what happened, so that no crash loses it and none
 * makes it up; whoever looks first makes one delivery of it for each subscriber. The row's id is the id of the event for
 * good, so that receivers can drop what they are sent twice.
 */
import { sql } from 'kysely';
import type { Json } from '../../model/json.ts';
import type { NotificationEvent } from '../entities.ts';
import { newId } from '../ids.ts';
import { SUMMED_COUNTERS } from '../runs/store-rows.ts';
import type { ControlWorld, Tx } from '../world.ts';

export type OutboxWorld = Pick<ControlWorld, 'bus' | 'clock' | 'random'>;

const SPREAD_AT_ONCE = 100;

export interface ToldOf {
  readonly projectId: string | null;
  readonly payload: Json;
}

/** Goes out when the transaction commits, and never when it does not. */
export async function putInOutbox(
  world: OutboxWorld,
  tx: Tx,
  event: NotificationEvent,
  { projectId, payload }: ToldOf,
): Promise<void> {
  const id = newId(world);
  await tx
    .insertInto('outbox')
    .values({ id, at: new Date(world.clock.now()), event, project_id: projectId, payload: JSON.stringify(payload) })
    .execute();
  await world.bus.tell('subscription', id, tx);
}

/** The same of a run, as it is in this transaction: numbers and the reason, never single objects. */
export async function putRunInOutbox(
  world: OutboxWorld,
  tx: Tx,
  event: 'run.completed' | 'run.failed' | 'run.attention',
  runId: string,
): Promise<void> {
  const id = newId(world);
  await sql`INSERT INTO outbox (id, at, event, project_id, payload)
    SELECT ${id}::uuid, ${new Date(world.clock.now())}::timestamptz, ${event}, runs.project_id,
      jsonb_build_object('runId', runs.id, 'number', runs.number, 'job', jobs.name, 'project', projects.name,
        'kind', runs.kind, 'state', runs.state,
        'error', CASE jsonb_typeof(runs.error) WHEN 'object' THEN
          jsonb_build_object('code', runs.error -> 'code', 'message', runs.error -> 'message') END,
        'items', sums.counters -> 'items', 'differences', sums.counters -> 'differences',
        'deletesFailed', sums.counters -> 'deletesFailed',
        'sizeOnly', coalesce((sums.counters ->> 'sameWeak')::bigint, 0)
          + coalesce((sums.counters #>> '{verification,V0}')::bigint, 0))
      || jsonb_strip_nulls(jsonb_build_object(
        'reason', coalesce(runs.waits ->> 'text', runs.error ->> 'message'),
        -- What a run waits for says itself what to do.
        'remedy', CASE WHEN runs.waits ->> 'text' IS NULL THEN runs.error ->> 'remedy' END,
        'connector', (SELECT name FROM connectors WHERE connectors.id = (runs.waits ->> 'connectorId')::uuid)))
    FROM runs JOIN jobs ON jobs.id = runs.job_id JOIN projects ON projects.id = runs.project_id
      CROSS JOIN LATERAL (SELECT ${SUMMED_COUNTERS} AS counters FROM segments WHERE segments.run_id = runs.id) AS sums
    WHERE runs.id = ${runId}`.execute(tx);
  await world.bus.tell('subscription', id, tx);
}

/** Makes deliveries of what lies in the outbox; returns how many events that were. */
export async function emptyOutbox({ db, clock }: Pick<ControlWorld, 'db' | 'clock'>): Promise<number> {
  return db.transaction().execute(async (tx) => {
    const taken = await tx
      .selectFrom('outbox')
      .select('id')
      .orderBy('number')
      .limit(SPREAD_AT_ONCE)
      .forUpdate()
      .skipLocked()
      .execute();
    if (taken.length === 0) return 0;
    const ids = taken.map(({ id }) => id);
    // Who is being removed at this moment is waited for, and then left out. Of a digest the next one is due by itself.
    await sql`INSERT INTO deliveries (subscription_id, event_id, at, event, payload, state, next_attempt_at)
      SELECT subscriptions.id, outbox.id, outbox.at, outbox.event, outbox.payload, 'pending',
        CASE subscriptions.digest WHEN 'none' THEN ${new Date(clock.now())}::timestamptz END
      FROM outbox JOIN subscriptions ON subscriptions.enabled AND subscriptions.events ? outbox.event
        AND (subscriptions.project_id IS NULL OR subscriptions.project_id = outbox.project_id)
        -- Whoever hears of every run that ends has heard of this one, with how many failed.
        AND NOT (outbox.event = 'run.attention' AND subscriptions.events ? 'run.completed'
          AND coalesce(outbox.payload ->> 'state' = 'completed-with-issues', false))
      WHERE outbox.id = ANY(${ids}::uuid[]) ORDER BY outbox.number
      FOR KEY SHARE OF subscriptions
      ON CONFLICT (subscription_id, event_id) DO NOTHING`.execute(tx);
    await tx.deleteFrom('outbox').where('id', 'in', ids).execute();
    return ids.length;
  });
}
