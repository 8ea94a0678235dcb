/** What somebody has looked at leaves the overview, until something new happens. */
import { sql } from 'kysely';
import { DroverError } from '../../model/errors.ts';
import { makeAudit } from '../audit.ts';
import type { Actor, Dismissal } from '../entities.ts';
import { FILTERS } from '../filters.ts';
import { newId } from '../ids.ts';
import { filtersOf, listPage, type Listing } from '../paging.ts';
import { demand } from '../people/roles.ts';
import { DESCRIPTION_MAX, found, isUuid, shortText } from '../rows.ts';
import type { Attention, Dismissals } from '../services.ts';
import type { ControlWorld, Db, Tx } from '../world.ts';
import { attentionOf, markedBy, type Marked } from './attention.ts';

export function openDismissals(world: ControlWorld): Dismissals {
  const { db, bus, clock } = world;
  const audit = makeAudit(clock);
  return {
    async list(actor, query) {
      demand(actor, 'read');
      const page = await listPage(db, rowsOf(db), { ...LISTING, query });
      return { ...page, items: page.items.map(dismissalOf) };
    },
    async get(actor, id) {
      demand(actor, 'read');
      return dismissalOf(await rowOf(db, id));
    },
    async create(actor, { mark, note = '' }) {
      demand(actor, 'dismiss');
      const why = shortText(note, 'note', DESCRIPTION_MAX);
      const before = await db.selectFrom('dismissals').selectAll().where('mark', '=', mark).executeTakeFirst();
      if (before !== undefined) return dismissalOf(before);
      const marked = markedBy(mark);
      const { attention } = await attentionOf(db);
      const entry = attention.find((one) => one.mark === mark);
      if (marked === null || entry === undefined) throw notThere();
      const id = await db.transaction().execute(async (tx) => {
        await forgetGone(tx);
        const made = await keep(tx, world, actor, { marked, entry, note: why });
        const changes = { text: [entry.text, null] as const, ...(why === '' ? {} : { note: [null, why] as const }) };
        await audit(tx, actor, { ...lineOf('attention.dismiss', entry), changes });
        if (entry.id !== null) await bus.tell(entry.kind, entry.id, tx);
        return made;
      });
      return dismissalOf(await rowOf(db, id));
    },
    async remove(actor, id) {
      demand(actor, 'dismiss');
      await db.transaction().execute(async (tx) => {
        const before = dismissalOf(await rowOf(tx, id));
        await tx.deleteFrom('dismissals').where('id', '=', id).execute();
        await audit(tx, actor, lineOf('attention.restore', { ...before, id: before.entityId }));
        if (before.entityId !== null) await bus.tell(before.kind, before.entityId, tx);
      });
    },
  };
}

function notThere(): DroverError {
  return new DroverError('ENTITY_NOT_FOUND', 'This does not need anybody any more, or something new has happened.', {
    field: 'mark',
    remedy: 'Look at the overview again.',
  });
}

function lineOf(action: string, { kind, id, name }: Pick<Attention, 'kind' | 'id' | 'name'>) {
  return { action, entityKind: kind, entityId: id, entityName: name };
}

interface Dismissed {
  readonly marked: Marked;
  readonly entry: Attention;
  readonly note: string;
}

/** In place of what was dismissed of the same entity before. Its id. */
async function keep(tx: Tx, world: ControlWorld, actor: Actor, { marked, entry, note }: Dismissed): Promise<string> {
  const { what, entityId, since, cause } = marked;
  await tx.deleteFrom('dismissals').where('what', '=', what).where('entity_id', '=', entityId).execute();
  const id = newId(world);
  const { mark, kind, name, text } = entry;
  const made = { created_at: new Date(world.clock.now()), created_by: actor.name };
  await tx
    .insertInto('dismissals')
    .values({ id, ...made, mark, what, entity_id: entityId, since, cause, kind, name, text, note })
    .execute();
  return id;
}

const TABLES = {
  connector: 'connectors',
  run: 'runs',
  schedule: 'schedules',
  subscription: 'subscriptions',
  worker: 'workers',
  artifact: 'artifacts',
} as const satisfies Record<Attention['kind'], string>;

/** Of what was deleted since. */
async function forgetGone(tx: Tx): Promise<void> {
  for (const [kind, table] of Object.entries(TABLES)) {
    await sql`DELETE FROM dismissals WHERE kind = ${kind} AND what <> 'no-worker'
      AND NOT EXISTS (SELECT FROM ${sql.table(table)} AS entity WHERE entity.id::text = dismissals.entity_id)`.execute(
      tx,
    );
  }
}

const LISTING: Omit<Listing<DismissalRow>, 'query'> = {
  sorts: { createdAt: { sql: 'dismissals.created_at', type: 'timestamptz' } },
  defaultSort: '-createdAt',
  id: { sql: 'dismissals.id', type: 'uuid' },
  ...filtersOf(FILTERS.dismissals, {
    kind: (values) => sql<boolean>`dismissals.kind = ANY(${values as string[]}::text[])`,
  }),
  searched: 'dismissals.name',
  idOf: (row) => row.id,
};

function rowsOf(db: Db | Tx) {
  return db.selectFrom('dismissals').selectAll('dismissals');
}

type DismissalRow = Awaited<ReturnType<ReturnType<typeof rowsOf>['execute']>>[number];

async function rowOf(db: Db | Tx, id: string): Promise<DismissalRow> {
  const row = isUuid(id) ? await rowsOf(db).where('dismissals.id', '=', id).executeTakeFirst() : undefined;
  return found(row, 'dismissal', id);
}

function dismissalOf(row: DismissalRow): Dismissal {
  return {
    id: row.id,
    mark: row.mark,
    kind: row.kind as Dismissal['kind'],
    entityId: row.what === 'no-worker' ? null : row.entity_id,
    name: row.name,
    text: row.text,
    note: row.note,
    createdAt: row.created_at.toISOString(),
    createdBy: row.created_by,
  };
}
