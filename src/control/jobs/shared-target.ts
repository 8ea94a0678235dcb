/** Jobs that write where another one deletes: a mirror takes away what its own source does not have, whoever put it there. */
import { sql } from 'kysely';
import { identitiesOverlap, subtreeOf } from '../../contract/places.ts';
import type { Place, PlaceIdentity } from '../../contract/provider.ts';
import { counted } from '../connectors/removal.ts';
import { keptIdentity, storeText } from '../endpoints/identity.ts';
import { storable } from '../runs/store-rows.ts';
import type { Db, Tx } from '../world.ts';
import type { EndFacts, JobFacts } from './rows.ts';

const NAMED_MAX = 1_000;
/** Settings are text, for they may hold what the database's JSON cannot; within a string quotes have a backslash. */
const IS_MIRROR = sql<boolean>`position('"mode":"mirror"' IN jobs.settings) > 0`;

/** Which jobs share a target with it, as far as one of them is a mirror. */
export async function sharedTargetWarnings(
  db: Db | Tx,
  { job, target }: Pick<JobFacts, 'job' | 'target'>,
): Promise<readonly string[]> {
  const isMirror = job.settings.mode === 'mirror';
  const others = await jobsInto(db, job.id, target, isMirror);
  const mirrors = others.filter((other) => other.isMirror);
  return [
    ...(isMirror && others.length > 0 ? [deletesTheirs(target, others)] : []),
    ...(mirrors.length > 0 ? [deleteOurs(target, mirrors)] : []),
  ];
}

interface Other {
  readonly name: string;
  readonly fullPath: string;
  readonly isMirror: boolean;
}

function deletesTheirs({ fullPath }: EndFacts, others: readonly Other[]): string {
  const [one] = others;
  const write = others.length === 1 ? `writes to ${one?.fullPath}` : 'write there or to a part of it';
  const they = others.length === 1 ? 'that job has' : 'they have';
  return (
    `This job is a mirror to ${fullPath}, and ${counted('job', others)} ${write}, too. ` +
    `The mirror deletes at its target what its own source does not have, also what ${they} put there. Give each a target of its own.`
  );
}

function deleteOurs({ fullPath }: EndFacts, mirrors: readonly Other[]): string {
  const [one] = mirrors;
  const are = mirrors.length === 1 ? `is a mirror to ${one?.fullPath}` : 'are mirrors to places';
  const they =
    mirrors.length === 1 ? 'It deletes there what its own source does' : 'They delete there what their own sources do';
  return (
    `${sentence(counted('job', mirrors))} ${are}, which ${one?.fullPath === fullPath ? 'is' : 'overlaps'} the target of this job. ` +
    `${they} not have, also what this job puts there. Give each a target of its own.`
  );
}

function sentence(words: string): string {
  return words.slice(0, 1).toUpperCase() + words.slice(1);
}

/** Others of which the target is this one, or lies in it or around it, through whichever connector; by name. */
async function jobsInto(db: Db | Tx, jobId: string, target: EndFacts, isMirror: boolean): Promise<readonly Other[]> {
  const near = await endpointsNear(db, target);
  // Both paths as they go on from where the deeper of both endpoints is: one begins with the other, or they are apart.
  const ids = near.map(({ id }) => id);
  const theirs = near.map((one) => storable(one.theirs));
  const ours = near.map((one) => storable(one.ours));
  const { rows } = await sql<Other>`
    SELECT projects.name || '/' || jobs.name AS name, jobs.target_full_path AS "fullPath",
      ${IS_MIRROR} AS "isMirror"
    FROM unnest(${ids}::uuid[], ${theirs}::text[], ${ours}::text[]) AS near (id, theirs, ours)
    JOIN jobs ON jobs.target_endpoint_id = near.id JOIN projects ON projects.id = jobs.project_id
    WHERE jobs.id <> ${jobId} AND (${isMirror} OR ${IS_MIRROR})
      AND (starts_with(near.theirs || jobs.target_sub_path, near.ours)
        OR starts_with(near.ours, near.theirs || jobs.target_sub_path))
    ORDER BY lower(projects.name), lower(jobs.name), jobs.id LIMIT ${NAMED_MAX}`.execute(db);
  return rows;
}

interface Near {
  readonly id: string;
  /** What stands before the sub-path of a job that writes to it. */
  readonly theirs: string;
  /** Where the target is, from the same place on. */
  readonly ours: string;
}

/** Targets that hold this one, are it, or lie in its endpoint. */
async function endpointsNear(
  db: Db | Tx,
  { endpointId, place, subPath, fingerprint }: EndFacts,
): Promise<readonly Near[]> {
  const own = await db
    .selectFrom('endpoints')
    .select(['identity', 'place'])
    .where('id', '=', endpointId)
    .executeTakeFirst();
  const itself = { id: endpointId, theirs: '', ours: subPath };
  if (own === undefined || own.identity === null) return [itself];
  const identity = keptIdentity(own.identity, place, fingerprint);
  const rows = await db
    .selectFrom('endpoints')
    .select(['id', 'identity', 'place'])
    .where('id', '<>', endpointId)
    .where('kind', '=', 'target')
    .where(sql<boolean>`starts_with(identity, ${storeText(identity)})`)
    .execute();
  const others = rows.flatMap((row): readonly Near[] => {
    const other = keptIdentity(row.identity, JSON.parse(row.place) as Place, '');
    const paths = identitiesOverlap(identity, null, other) ? pathsFrom(identity, subPath, other) : null;
    return paths === null ? [] : [{ id: row.id, ...paths }];
  });
  return [itself, ...others];
}

function pathsFrom(identity: PlaceIdentity, subPath: string, other: PlaceIdentity): Omit<Near, 'id'> {
  const [ours, theirs] = [subtreeOf(identity), subtreeOf(other)];
  return theirs.startsWith(ours)
    ? { theirs: theirs.slice(ours.length), ours: subPath }
    : { theirs: '', ours: ours.slice(theirs.length) + subPath };
}
