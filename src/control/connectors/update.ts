/** What of a connector changes without signing in again: its name, tags, limits, and what its inventory looks at. */
import { DroverError } from '../../model/errors.ts';
import { changesOf, makeAudit } from '../audit.ts';
import type { Actor, ConnectorLimits, Tags } from '../entities.ts';
import { lockVersion, uniquely } from '../rows.ts';
import type { Connectors } from '../services.ts';
import type { ControlWorld, Tx } from '../world.ts';
import { checkLimits } from './authorize.ts';
import { checkAccountId, checkCloud, checkTags, movesObjects, nextSyncAfter } from './cloud.ts';
import { connectorName, NAME_TAKEN } from './names.ts';
import { counted, usersOf } from './removal.ts';
import { rowOf, type CloudRow, type ConnectorRow } from './rows.ts';

type Change = Parameters<Connectors['update']>[3];

interface Shape {
  readonly name: string;
  readonly tags: Tags;
  readonly limits: ConnectorLimits;
  readonly cloud: CloudRow | null;
}

export async function updateConnector(
  world: ControlWorld,
  actor: Actor,
  id: string,
  version: number | null,
  change: Change,
): Promise<void> {
  const { db, bus, clock } = world;
  const update = async (tx: Tx): Promise<void> => {
    const now = await lockVersion(tx, 'connectors', id, version, 'connector');
    const row = await rowOf(tx, id);
    const before = shapeOf(row);
    const after = changed(row, before, change);
    const changes = changesOf({ ...before }, { ...after });
    if (Object.keys(changes).length === 0) return;
    if (after.cloud !== null && !movesObjects(after.cloud)) await refuseUsed(tx, row);
    await tx
      .updateTable('connectors')
      .set({
        name: after.name,
        tags: JSON.stringify(after.tags),
        limits: JSON.stringify(after.limits),
        cloud: after.cloud === null ? null : JSON.stringify(after.cloud),
        next_sync_at:
          change.cloud === undefined ? row.next_sync_at : nextSyncAfter(after.cloud, before.cloud, clock.now()),
        version: now + 1,
        updated_at: new Date(clock.now()),
      })
      .where('id', '=', id)
      .execute();
    const line = { action: 'connector.update', entityKind: 'connector', entityId: id, entityName: before.name };
    await makeAudit(clock)(tx, actor, { ...line, changes });
    await bus.tell('connector', id, tx);
  };
  await uniquely(NAME_TAKEN, () => db.transaction().execute(update));
}

/** Jobs would lose the rights that they run with, at the next template that is made. */
async function refuseUsed(tx: Tx, { id, name }: ConnectorRow): Promise<void> {
  const { endpoints } = await usersOf(tx, id);
  if (endpoints.length === 0) return;
  throw new DroverError(
    'IN_USE',
    `"${name}" cannot be for Inventory alone: it is used by ${counted('endpoint', endpoints)}.`,
    {
      field: 'cloud.solutions',
      remedy: 'Keep the solution Storage - Data Management, or delete those first.',
    },
  );
}

function shapeOf(row: ConnectorRow): Shape {
  return {
    name: row.name,
    tags: row.tags as Tags,
    limits: row.limits as ConnectorLimits,
    cloud: row.cloud as CloudRow | null,
  };
}

function changed(row: ConnectorRow, before: Shape, { name, tags, limits, cloud }: Change): Shape {
  return {
    name: name === undefined ? before.name : connectorName(name),
    tags: tags === undefined ? before.tags : checkTags(tags),
    limits: limits === undefined ? before.limits : checkLimits(limits),
    cloud: cloud === undefined ? before.cloud : cloud === null ? null : changedCloud(row, before.cloud, cloud),
  };
}

/** The past of the inventory stays; the account was seen when the connector signed in, so that it cannot become another. */
function changedCloud(row: ConnectorRow, before: CloudRow | null, given: NonNullable<Change['cloud']>): CloudRow {
  const after = checkCloud(given, row.provider);
  const seen = /^arn:[^:]+:(?:iam|sts)::(\d{12}):/.exec(row.signed_in_as ?? '')?.[1] ?? null;
  checkAccountId(after, before?.accountId ?? seen);
  if (before === null) return after;
  return { ...after, lastSyncAt: before.lastSyncAt, lastSyncError: before.lastSyncError };
}
