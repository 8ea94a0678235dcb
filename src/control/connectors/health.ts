/** How connectors are: noticed by whoever uses one, and told to people once when it turns bad. */
import { ERRORS, toDroverError, type ErrorCode, type Failure } from '../../model/errors.ts';
import { putInOutbox } from '../notifications/outbox.ts';
import { isUuid } from '../rows.ts';
import type { Connectors } from '../services.ts';
import type { ControlWorld, Tx } from '../world.ts';

type Reported = Parameters<Connectors['reportHealth']>[1] & object;

/** Written only when it changes anything: every run reports, and mostly the same. */
export async function reportHealth(
  world: ControlWorld,
  id: string,
  error: Reported | null,
  seenVersion?: number,
): Promise<void> {
  if (!isUuid(id)) return;
  const reason = error === null ? null : failureOf(error);
  await world.db.transaction().execute(async (tx) => {
    const changed = await tx
      .updateTable('connectors')
      .set({
        health: reason === null ? 'healthy' : 'needs-attention',
        health_reason: reason === null ? null : JSON.stringify(reason),
      })
      .where('id', '=', id)
      .$if(seenVersion !== undefined, (query) => query.where('version', '=', seenVersion ?? 0))
      .where('health', '!=', reason === null ? 'healthy' : 'needs-attention')
      .returning(['id', 'name', 'provider'])
      .executeTakeFirst();
    if (changed === undefined) return;
    if (reason !== null) await tellAttention(world, tx, changed, reason);
    await world.bus.tell('connector', id, tx);
  });
}

/** `connector.attention`: for the change from well to ill, and for nothing that follows from it. */
export function tellAttention(
  world: ControlWorld,
  tx: Tx,
  { id, name, provider }: { readonly id: string; readonly name: string; readonly provider: string },
  { code, message, remedy }: Failure,
): Promise<void> {
  const payload = { connectorId: id, connector: name, provider, code, reason: message, remedy };
  return putInOutbox(world, tx, 'connector.attention', { projectId: null, payload });
}

/** Whoever uses a connector notices first that it is not let in any more. */
export async function reportLostSignIn(world: ControlWorld, id: string, thrown: unknown): Promise<void> {
  const { code, message } = toDroverError(thrown);
  if (code === 'UNAUTHENTICATED' || code === 'CREDENTIALS_EXPIRED') await reportHealth(world, id, { code, message });
}

function failureOf({ code, message, remedy }: Reported): Failure {
  const known: ErrorCode = Object.hasOwn(ERRORS, code) ? (code as ErrorCode) : 'INTERNAL';
  return { code: known, message, field: null, remedy: remedy ?? ERRORS[known].remedy };
}
