/** Tokens: how programs sign in. Only their hashes are kept. */
import { sql } from 'kysely';
import { DroverError } from '../../model/errors.ts';
import { makeAudit } from '../audit.ts';
import type { Actor, Role, Token } from '../entities.ts';
import { newId } from '../ids.ts';
import { FILTERS } from '../filters.ts';
import { filtersOf, listPage, type Listing } from '../paging.ts';
import { found, isoOrNull, isUuid, keptOf, nameOf, stampOf, uniquely } from '../rows.ts';
import type { Tokens } from '../services.ts';
import type { ControlWorld, Db, Tx } from '../world.ts';
import { demand, lowerRole, may, type Right } from './roles.ts';
import { hashOf, newSecret } from './secrets.ts';

type TokenWorld = Pick<ControlWorld, 'db' | 'clock' | 'random' | 'bus'>;

export const TOKEN_PREFIX = 'drv_';
const SHOWN_CHARACTERS = 10;
/** `last_used_at` is for people: writing it with every request would cost more than it tells. */
const SEEN_EVERY_MS = 60_000;
const TOKENS_PER_PERSON_MAX = 200;

const NAME_TAKEN = { tokens_name: ['name', 'You have a token with this name already.'] } as const;

export function openTokens(world: TokenWorld): Tokens {
  const { db, clock, bus } = world;
  const audit = makeAudit(clock);

  return {
    async list(actor, query) {
      demand(actor, 'own-account');
      const mine = may(actor, 'people') ? tokenRows(db) : tokenRows(db).where('tokens.person_id', '=', ownerOf(actor));
      const page = await listPage(db, mine, { ...LISTING, query });
      return { ...page, items: page.items.map(tokenOf) };
    },

    async get(actor, id) {
      demand(actor, 'own-account');
      return tokenOf(ownRow(actor, await rowOf(db, id)));
    },

    async create(actor, input) {
      demand(actor, 'own-account');
      const personId = ownerOf(actor);
      const name = nameOf(input.name, 'name', 100);
      if (lowerRole(input.role, actor.role) !== input.role) {
        throw new DroverError('FORBIDDEN', `A token of yours cannot have more than your role, "${actor.role}".`, {
          field: 'role',
        });
      }
      const scopes = input.scopes ?? actor.scopes ?? null;
      if (scopes !== null && actor.scopes !== undefined && scopes.some((scope) => !may(actor, scope))) {
        throw new DroverError('FORBIDDEN', 'A token made with a token has no scope that that one has not.', {
          field: 'scopes',
        });
      }
      const expiresAt = expiryOf(input.expiresAt, clock.now());
      const secret = TOKEN_PREFIX + newSecret(world.random);
      const id = newId(world);
      await uniquely(NAME_TAKEN, () =>
        db.transaction().execute(async (tx) => {
          await refuseLonger(tx, actor, expiresAt);
          await refuseMany(tx, personId);
          await tx
            .insertInto('tokens')
            .values({
              id,
              ...stampOf(actor, clock.now()),
              person_id: personId,
              name,
              role: input.role,
              scopes: scopes === null ? null : JSON.stringify(scopes),
              prefix: secret.slice(0, SHOWN_CHARACTERS),
              token_hash: hashOf(secret),
              expires_at: expiresAt,
            })
            .execute();
          const line = { action: 'token.create', entityKind: 'token', entityId: id, entityName: name };
          const expires = expiresAt?.toISOString() ?? null;
          await audit(tx, actor, {
            ...line,
            changes: { role: [null, input.role], scopes: [null, scopes], expiresAt: [null, expires] },
          });
          await bus.tell('person', personId, tx);
        }),
      );
      return { token: tokenOf(await rowOf(db, id)), secret };
    },

    async remove(actor, id) {
      demand(actor, 'own-account');
      await db.transaction().execute(async (tx) => {
        const row = ownRow(actor, await rowOf(tx, id));
        const { role } = tokenOf(row);
        if (actor.kind === 'token' && lowerRole(role, actor.role) !== role) {
          throw new DroverError(
            'FORBIDDEN',
            `A token of the role "${actor.role}" cannot end one of the role "${role}".`,
          );
        }
        await tx.deleteFrom('tokens').where('id', '=', id).execute();
        await audit(tx, actor, {
          action: 'token.remove',
          entityKind: 'token',
          entityId: id,
          entityName: row.name,
        });
        await bus.tell('person', row.person_id, tx);
      });
    },
  };
}

/** Who a token speaks for; `null`: nobody, or not any more. */
export async function actorOfToken(
  { db, clock }: Pick<ControlWorld, 'db' | 'clock'>,
  secret: string,
  address: string | null,
): Promise<Actor | null> {
  if (!secret.startsWith(TOKEN_PREFIX)) return null;
  const row = await db
    .selectFrom('tokens')
    .innerJoin('people', 'people.id', 'tokens.person_id')
    .select([
      'tokens.id',
      'tokens.name',
      'tokens.role',
      'tokens.scopes',
      'tokens.expires_at',
      'tokens.last_used_at',
      'people.id as person_id',
      'people.name as person_name',
      'people.role as person_role',
    ])
    .where('tokens.token_hash', '=', hashOf(secret))
    .where('people.state', '=', 'active')
    .executeTakeFirst();
  const now = clock.now();
  if (row === undefined || (row.expires_at !== null && row.expires_at.getTime() <= now)) return null;
  if (row.last_used_at === null || now - row.last_used_at.getTime() >= SEEN_EVERY_MS) {
    await db
      .updateTable('tokens')
      .set({ last_used_at: new Date(now) })
      .where('id', '=', row.id)
      .execute();
  }
  return {
    kind: 'token',
    personId: row.person_id,
    tokenId: row.id,
    name: `${row.person_name} (${row.name})`,
    role: lowerRole(row.role as Role, row.person_role as Role),
    ...(row.scopes === null ? {} : { scopes: row.scopes as readonly Right[] }),
    address,
  };
}

function ownerOf(actor: Actor): string {
  if (actor.personId !== null) return actor.personId;
  throw new DroverError('FORBIDDEN', 'Tokens belong to people; the server itself has none.');
}

function expiryOf(given: string | null, nowMs: number): Date | null {
  if (given === null) return null;
  const at = new Date(given);
  if (Number.isNaN(at.getTime()) || at.getTime() <= nowMs) {
    throw new DroverError('INVALID_INPUT', 'Give a moment in the future.', { field: 'expiresAt' });
  }
  return at;
}

/** Whoever got hold of a token that ends soon must not make one of it that stays. */
async function refuseLonger(tx: Tx, { tokenId }: Actor, expiresAt: Date | null): Promise<void> {
  if (tokenId === null) return;
  const maker = await tx.selectFrom('tokens').select('expires_at').where('id', '=', tokenId).executeTakeFirst();
  const end = maker === undefined ? null : maker.expires_at;
  if (end === null || (expiresAt !== null && expiresAt <= end)) return;
  throw new DroverError('FORBIDDEN', `A token made with a token ends no later than that one, ${end.toISOString()}.`, {
    field: 'expiresAt',
    remedy: 'Give an earlier end, or make it after signing in.',
  });
}

async function refuseMany(tx: Tx, personId: string): Promise<void> {
  const { tokens } = await tx
    .selectFrom('tokens')
    .select(sql<string>`count(*)`.as('tokens'))
    .where('person_id', '=', personId)
    .executeTakeFirstOrThrow();
  if (Number(tokens) < TOKENS_PER_PERSON_MAX) return;
  throw new DroverError('WRONG_STATE', `A person can have at most ${TOKENS_PER_PERSON_MAX} tokens.`, {
    remedy: 'Remove those that are not used any more.',
  });
}

function tokenRows(db: Db | Tx) {
  return db
    .selectFrom('tokens')
    .innerJoin('people', 'people.id', 'tokens.person_id')
    .select([
      'tokens.id',
      'tokens.version',
      'tokens.created_at',
      'tokens.created_by',
      'tokens.updated_at',
      'tokens.person_id',
      'people.name as person_name',
      'tokens.name',
      'tokens.role',
      'tokens.scopes',
      'people.role as person_role',
      'tokens.prefix',
      'tokens.expires_at',
      'tokens.last_used_at',
    ]);
}

type TokenRow = Awaited<ReturnType<ReturnType<typeof tokenRows>['executeTakeFirstOrThrow']>>;

/** Somebody else's token is none of one's business, not even that it is there. */
function ownRow<Row extends { readonly id: string; readonly person_id: string }>(actor: Actor, row: Row): Row {
  return row.person_id === actor.personId || may(actor, 'people') ? row : found<Row>(undefined, 'token', row.id);
}

async function rowOf(db: Db | Tx, id: string): Promise<TokenRow> {
  const row = isUuid(id) ? await tokenRows(db).where('tokens.id', '=', id).executeTakeFirst() : undefined;
  return found(row, 'token', id);
}

function tokenOf(row: TokenRow): Token {
  return {
    ...keptOf(row),
    name: row.name,
    personId: row.person_id,
    personName: row.person_name,
    role: lowerRole(row.role as Role, row.person_role as Role),
    scopes: row.scopes as readonly Right[] | null,
    prefix: row.prefix,
    expiresAt: isoOrNull(row.expires_at),
    lastUsedAt: isoOrNull(row.last_used_at),
  };
}

const LISTING: Omit<Listing<TokenRow>, 'query'> = {
  sorts: {
    name: { sql: 'lower(tokens.name)', type: 'text' },
    createdAt: { sql: 'tokens.created_at', type: 'timestamptz' },
    lastUsedAt: { sql: 'tokens.last_used_at', type: 'timestamptz' },
    expiresAt: { sql: 'tokens.expires_at', type: 'timestamptz' },
  },
  defaultSort: 'name',
  id: { sql: 'tokens.id', type: 'uuid' },
  ...filtersOf(FILTERS.tokens, {
    personId: (values) => sql<boolean>`tokens.person_id::text = ANY(${values as string[]})`,
    role: (values) => sql<boolean>`tokens.role = ANY(${values as string[]})`,
  }),
  searched: 'tokens.name',
  idOf: (row) => row.id,
};
