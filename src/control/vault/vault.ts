/** Secrets at rest: what is sealed, by which key, and how the master key is changed while servers run. */
import { createHmac } from 'node:crypto';
import type { Clock, Random } from '../../lib/world.ts';
import { DroverError } from '../../model/errors.ts';
import { newId } from '../ids.ts';
import type { Db, Tx, Vault } from '../world.ts';
import { derive, masterKeyOf, openEnvelope, sealEnvelope, type Envelope, type MasterKey } from './envelope.ts';
import {
  changedFact,
  dropStaleHandOver,
  handedOver,
  installationKey,
  keyBefore,
  makeFact,
  readFact,
  writeFact,
  wrongKey,
} from './keyring.ts';

export interface VaultWorld {
  readonly db: Db;
  /** 32 bytes. */
  readonly masterKey: Uint8Array;
  readonly clock: Clock;
  readonly random: Random;
}

const FINGERPRINT_LENGTH = 12;

/** MASTER_KEY_WRONG when the secrets of this installation were saved with another master key. */
export async function openVault(world: VaultWorld): Promise<Vault> {
  const given = masterKeyOf(world.masterKey);
  const fact = (await readFact(world.db)) ?? (await makeFact(world.db, given, world.random));
  const root = installationKey(fact, given);
  await dropStaleHandOver(world.db, world.clock.now());
  return new DatabaseVault(world, given, root);
}

class DatabaseVault implements Vault {
  readonly #world: VaultWorld;
  readonly #fingerprints: Buffer;
  readonly #root: Buffer;
  #current: MasterKey;
  #before: MasterKey | null = null;

  constructor(world: VaultWorld, current: MasterKey, root: Buffer) {
    this.#world = world;
    this.#current = current;
    this.#root = root;
    this.#fingerprints = derive(root, 'fingerprint');
  }

  get masterKeyId(): string {
    return this.#current.id;
  }

  async seal(tx: Tx, secretId: string | null, content: Readonly<Record<string, string>>): Promise<string> {
    const id = secretId ?? newId(this.#world);
    const key = await this.#sealingKey(tx);
    const { wrappedKey, sealed } = sealEnvelope(key, id, Buffer.from(JSON.stringify(content)), this.#world.random);
    const now = new Date(this.#world.clock.now());
    const row = { updated_at: now, master_key_id: key.id, wrapped_key: wrappedKey, sealed };
    await tx
      .insertInto('secrets')
      .values({ id, created_at: now, ...row })
      .onConflict((conflict) => conflict.column('id').doUpdateSet(row))
      .execute();
    return id;
  }

  async open(db: Db | Tx, secretId: string): Promise<Readonly<Record<string, string>>> {
    // A rotation may end between looking at the secret and at its key; the second look sees it sealed anew.
    const content = (await this.#tryOpen(db, secretId)) ?? (await this.#tryOpen(db, secretId));
    if (content !== null) return JSON.parse(content.toString()) as Record<string, string>;
    const { masterKeyId } = await this.#envelope(db, secretId);
    if (masterKeyId !== this.#current.id) throw wrongKey(this.#current.id, masterKeyId);
    throw new DroverError('INTERNAL', 'A saved secret is damaged: it does not open with its own key.', {
      details: { secretId },
      remedy: 'Reauthorize the connector it belongs to; its secrets are then saved anew.',
    });
  }

  async remove(tx: Tx, secretId: string): Promise<void> {
    await tx.deleteFrom('secrets').where('id', '=', secretId).execute();
  }

  fingerprint(value: string): string {
    return createHmac('sha256', this.#fingerprints).update(value).digest('hex').slice(0, FINGERPRINT_LENGTH);
  }

  sign(purpose: string, content: Uint8Array): string {
    return createHmac('sha256', derive(this.#root, `sign ${purpose}`))
      .update(content)
      .digest('hex');
  }

  /** The lock keeps a rotation waiting that would otherwise miss what is being sealed with the key before it. */
  async #sealingKey(tx: Tx): Promise<MasterKey> {
    const fact = await readFact(tx, 'share');
    const wanted = fact?.installation.masterKeyId ?? this.#current.id;
    if (wanted !== this.#current.id) await this.#learn(tx);
    if (wanted !== this.#current.id) throw wrongKey(this.#current.id, wanted);
    return this.#current;
  }

  async #tryOpen(db: Db | Tx, secretId: string): Promise<Buffer | null> {
    const envelope = await this.#envelope(db, secretId);
    if (this.#known(envelope) === null) await this.#learn(db);
    const key = this.#known(envelope);
    return key === null ? null : openEnvelope(key, secretId, envelope);
  }

  async #envelope(db: Db | Tx, secretId: string): Promise<Envelope> {
    const row = await db.selectFrom('secrets').selectAll().where('id', '=', secretId).executeTakeFirst();
    if (row === undefined) throw new DroverError('ENTITY_NOT_FOUND', 'The saved secret is not there any more.');
    return { masterKeyId: row.master_key_id, wrappedKey: row.wrapped_key, sealed: row.sealed };
  }

  #known({ masterKeyId }: Envelope): MasterKey | null {
    return [this.#current, this.#before].find((key) => key?.id === masterKeyId) ?? null;
  }

  /** Another key holds than the one this process knows, or something is still sealed by the one before. */
  async #learn(db: Db | Tx): Promise<void> {
    const fact = await readFact(db);
    if (fact === null) return;
    const next = handedOver(fact, this.#current, this.#world.clock.now());
    if (next !== null) {
      this.#before = this.#current;
      this.#current = next;
      return;
    }
    this.#before = keyBefore(fact, this.#current) ?? this.#before;
  }
}

export interface Rotation {
  readonly oldKey: Uint8Array;
  readonly newKey: Uint8Array;
  /**
   * How long processes that were started with the old key may learn the new one from the database by themselves.
   * 0: not at all, for an old key that others know; such processes then fail with MASTER_KEY_WRONG until they are started
   * with the new key.
   */
  readonly handOverMs: number;
}

const BATCH_ROWS = 100;
/** Long enough that every server and worker looks at a secret meanwhile, or is restarted with the new key. */
export const HAND_OVER_MS = 7 * 24 * 3_600_000;

/**
 * Seals everything anew with `newKey`, with new data keys, while servers go on reading and saving. May be repeated after
 * it was cut short. Gives the number of secrets it sealed anew. MASTER_KEY_WRONG when neither key is the one that holds.
 */
export async function rotateVault(
  world: Omit<VaultWorld, 'masterKey'>,
  { oldKey, newKey, handOverMs }: Rotation,
): Promise<{ readonly rotated: number; readonly masterKeyId: string }> {
  const { db, clock, random } = world;
  const from = masterKeyOf(oldKey);
  const to = masterKeyOf(newKey);
  if (from.id === to.id) {
    throw new DroverError('INVALID_INPUT', 'The new master key is the one that holds already.', { field: 'newKey' });
  }
  if ((await readFact(db)) === null) await makeFact(db, from, random);
  await db.transaction().execute(async (tx) => {
    const fact = await readFact(tx, 'update');
    if (fact === null) return;
    const untilMs = handOverMs > 0 ? clock.now() + handOverMs : null;
    const isRepeated = fact.installation.masterKeyId === to.id;
    if (!isRepeated) await writeFact(tx, changedFact(fact, from, to, untilMs, random));
    else if (untilMs === null) await writeFact(tx, { ...fact, handOver: null });
  });
  let rotated = 0;
  for (;;) {
    const count = await db.transaction().execute((tx) => rotateSome(tx, world, [from, to]));
    rotated += count;
    if (count === 0) break;
  }
  await db.transaction().execute(async (tx) => {
    const fact = await readFact(tx, 'update');
    if (fact !== null) await writeFact(tx, { ...fact, before: null });
  });
  return { rotated, masterKeyId: to.id };
}

async function rotateSome(
  tx: Tx,
  { clock, random }: Omit<VaultWorld, 'masterKey'>,
  [from, to]: readonly [MasterKey, MasterKey],
): Promise<number> {
  const rows = await tx
    .selectFrom('secrets')
    .selectAll()
    .where('master_key_id', '!=', to.id)
    .orderBy('id')
    .limit(BATCH_ROWS)
    .forUpdate()
    .execute();
  for (const row of rows) {
    const envelope = { masterKeyId: row.master_key_id, wrappedKey: row.wrapped_key, sealed: row.sealed };
    const content = row.master_key_id === from.id ? openEnvelope(from, row.id, envelope) : null;
    if (content === null) throw wrongKey(from.id, row.master_key_id);
    const anew = sealEnvelope(to, row.id, content, random);
    await tx
      .updateTable('secrets')
      .set({
        updated_at: new Date(clock.now()),
        master_key_id: to.id,
        wrapped_key: anew.wrappedKey,
        sealed: anew.sealed,
      })
      .where('id', '=', row.id)
      .execute();
  }
  return rows.length;
}
