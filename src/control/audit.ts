/**
 * Who did what to what: one line per change, written in the transaction of the change itself. So is what a request with
 * an idempotency key has made.
 */
import type { Clock } from '../lib/world.ts';
import { noteMade } from './replays.ts';
import type { Audit } from './world.ts';

export function makeAudit(clock: Clock): Audit {
  return async (tx, actor, { action, entityKind, entityId, entityName, changes }) => {
    await tx
      .insertInto('audit')
      .values({
        at: new Date(clock.now()),
        actor_kind: actor.kind,
        actor_name: actor.name,
        person_id: actor.personId,
        token_id: actor.tokenId,
        address: actor.address,
        action,
        entity_kind: entityKind,
        entity_id: entityId,
        entity_name: entityName,
        changes: JSON.stringify(changes ?? {}),
      })
      .execute();
    if (actor.request !== undefined) await noteMade(tx, actor.request, entityKind, entityId);
  };
}

/** Members that differ, as `[before, after]`. */
export function changesOf(
  before: Readonly<Record<string, unknown>>,
  after: Readonly<Record<string, unknown>>,
): Record<string, readonly [unknown, unknown]> {
  const changes: Record<string, readonly [unknown, unknown]> = {};
  for (const [field, value] of Object.entries(after)) {
    if (value !== undefined && JSON.stringify(before[field]) !== JSON.stringify(value)) {
      changes[field] = [before[field] ?? null, value];
    }
  }
  return changes;
}
