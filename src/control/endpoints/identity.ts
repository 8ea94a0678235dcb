/** Which objects endpoints hold, whoever signs in: kept, so that lists of them can be compared without signing in. */
import { sql } from 'kysely';
import { identitiesOverlap } from '../../contract/places.ts';
import type { Account, Manifest, Place, PlaceIdentity } from '../../contract/provider.ts';
import { DroverError } from '../../model/errors.ts';
import { storable } from '../runs/store-rows.ts';
import type { Db, Tx } from '../world.ts';

/** Letter by letter the same for the same place. */
export function identityText({ store, container, prefix }: PlaceIdentity): string {
  return JSON.stringify([store, container, prefix]);
}

/** What all texts of that store begin with. */
export function storeText({ store }: PlaceIdentity): string {
  return `[${JSON.stringify(store)},`;
}

/** Of a kept text, without the word for its kind; `null`: there is one only, or nobody has looked yet. */
export function storeName(text: string | null): string | null {
  if (text === null) return null;
  const [store] = JSON.parse(text) as [string];
  return /^[\w-]+[| ](.+)$/s.exec(store)?.[1] ?? null;
}

/** `text` as it is kept; where nobody has looked yet, the account stands for the store. */
export function keptIdentity(text: string | null, place: Place, fingerprint: string): PlaceIdentity {
  if (text === null) return { store: `account ${fingerprint}`, ...place };
  const [store, container, prefix] = JSON.parse(text) as [string, string, string];
  return { store, container, prefix };
}

/** The whole address, as people check it. */
export function fullPathOf(account: Pick<Account, 'address'>, { id }: Pick<Manifest, 'id'>, place: Place): string {
  return account.address?.(place) ?? `${id}://${place.container}/${place.prefix}`;
}

/** Runs that go on, and those that wait, hold the part of the target that it is by now. */
export async function keepIdentity(db: Db | Tx, endpointId: string, identity: PlaceIdentity): Promise<void> {
  const kept = await db
    .updateTable('endpoints')
    .set({ identity: identityText(identity) })
    .where('id', '=', endpointId)
    .where('identity', 'is distinct from', identityText(identity))
    .returning('id')
    .executeTakeFirst();
  if (kept === undefined) return;
  await sql`
    UPDATE runs SET target_fingerprint = ${storable(identity.store)}, target_container = ${storable(identity.container)},
      target_prefix = ${storable(identity.prefix)} || jobs.target_sub_path
    FROM jobs WHERE jobs.id = runs.job_id AND jobs.target_endpoint_id = ${endpointId} AND runs.ended_at IS NULL`.execute(
    db,
  );
}

export interface Compared {
  readonly identity: PlaceIdentity;
  readonly fullPath: string;
}

/** PLACES_OVERLAP when a run would read what it writes, or delete what it reads. */
export function refuseOverlap(source: Compared, target: Compared, field: string | null = null): void {
  if (identitiesOverlap(source.identity, null, target.identity)) throw overlapError(source, target, field);
}

export function overlapError(source: Compared, target: Compared, field: string | null = null): DroverError {
  const [from, to] = [source.fullPath, target.fullPath];
  const isSame = identityText(source.identity) === identityText(target.identity);
  const words =
    from === to
      ? `Source and target are the same place, "${to}".`
      : isSame
        ? `"${from}" and "${to}" are the same place.`
        : `"${from}" and "${to}" are the same place, or one lies inside the other.`;
  return new DroverError('PLACES_OVERLAP', words, { field });
}
