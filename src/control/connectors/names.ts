/** Names of connectors: given, or the provider's own made unique. */
import { sql } from 'kysely';
import { DroverError } from '../../model/errors.ts';
import { nameOf, uniquely } from '../rows.ts';
import type { Db } from '../world.ts';

export const NAME_TAKEN = { connectors_name: ['name', 'Another connector has this name.'] } as const;
const TRIES_MAX = 5;

/** `Amazon S3`, `Amazon S3 2`, … : the first that is free. */
export async function freeName(db: Db, title: string): Promise<string> {
  const { rows } = await sql<{ name: string }>`
    SELECT lower(name) AS name FROM connectors WHERE starts_with(lower(name), ${title.toLowerCase()})`.execute(db);
  const taken = new Set(rows.map(({ name }) => name));
  for (let number = 1; ; number++) {
    const name = number === 1 ? title : `${title} ${number}`;
    if (!taken.has(name.toLowerCase())) return name;
  }
}

/** Places are written as `NAME:bucket/path`, so neither sign may stand in a name. */
export function connectorName(text: string): string {
  const name = nameOf(text, 'name');
  if (!/[:/]/.test(name)) return name;
  throw new DroverError(
    'INVALID_INPUT',
    'Leave ":" and "/" out of the name; they separate it from a bucket and a path.',
    {
      field: 'name',
    },
  );
}

/** ALREADY_EXISTS at `name` for a name that was given; one that we choose ourselves is chosen again. */
export async function named<T>(
  db: Db,
  given: string | undefined,
  title: string,
  work: (name: string) => Promise<T>,
): Promise<T> {
  const wanted = given?.trim() ?? '';
  if (wanted !== '') return uniquely(NAME_TAKEN, () => work(connectorName(wanted)));
  for (let attempt = 1; ; attempt++) {
    const name = await freeName(db, title);
    try {
      return await uniquely(NAME_TAKEN, () => work(name));
    } catch (thrown) {
      const isTaken = thrown instanceof DroverError && thrown.code === 'ALREADY_EXISTS';
      if (!isTaken || attempt === TRIES_MAX) throw thrown;
    }
  }
}
