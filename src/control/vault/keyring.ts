/**
 * Which master key holds, as the database says it, and the way from one to the next while servers run.
 *
 * The row `vault` of `facts_of_installation` holds the installation key (for fingerprints and signatures, which must
 * survive a change of the master key), sealed by the master key that holds now; it is also how a wrong key is noticed.
 * For some time after a change it holds the new key sealed by the old one, so that processes that were started with the
 * old key learn it by themselves, and, until everything is sealed anew, the old key sealed by the new one.
 */
import { sql } from 'kysely';
import type { Random } from '../../lib/world.ts';
import { DroverError } from '../../model/errors.ts';
import type { Db, Tx } from '../world.ts';
import { KEY_BYTES, masterKeyOf, openEnvelope, sealEnvelope, type Envelope, type MasterKey } from './envelope.ts';

const FACT = 'vault';
const INSTALLATION = 'installation';

interface EnvelopeText {
  readonly masterKeyId: string;
  readonly wrappedKey: string;
  readonly sealed: string;
}

export interface KeyFact {
  readonly installation: EnvelopeText;
  /** The key that holds now, sealed by the one before. */
  readonly handOver: (EnvelopeText & { readonly untilMs: number }) | null;
  /** The key before, sealed by the one that holds now; only until everything is sealed anew. */
  readonly before: (EnvelopeText & { readonly keyId: string }) | null;
}

/** `lock`: held to the end of the transaction, so that nothing is sealed with a key that is being replaced. */
export async function readFact(db: Db | Tx, lock: 'none' | 'share' | 'update' = 'none'): Promise<KeyFact | null> {
  const query = db.selectFrom('facts_of_installation').select('value').where('name', '=', FACT);
  const locked = lock === 'none' ? query : lock === 'share' ? query.forShare() : query.forUpdate();
  const row = await locked.executeTakeFirst();
  return row === undefined ? null : (row.value as KeyFact);
}

/** The fact of an installation that has none yet; of two that try at once one wins, and both read its row. */
export async function makeFact(db: Db, key: MasterKey, random: Random): Promise<KeyFact> {
  const installation = asText(sealEnvelope(key, INSTALLATION, random.bytes(KEY_BYTES), random));
  const fact: KeyFact = { installation, handOver: null, before: null };
  await db
    .insertInto('facts_of_installation')
    .values({ name: FACT, value: JSON.stringify(fact) })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  return (await readFact(db)) ?? fact;
}

export async function writeFact(tx: Tx, fact: KeyFact): Promise<void> {
  await tx
    .updateTable('facts_of_installation')
    .set({ value: JSON.stringify(fact) })
    .where('name', '=', FACT)
    .execute();
}

/** MASTER_KEY_WRONG when `key` is not the one that holds. */
export function installationKey(fact: KeyFact, key: MasterKey): Buffer {
  const opened =
    fact.installation.masterKeyId === key.id ? openEnvelope(key, INSTALLATION, asBytes(fact.installation)) : null;
  if (opened === null) throw wrongKey(key.id, fact.installation.masterKeyId);
  return opened;
}

/** The key that holds now, where `known` was handed it; `null` otherwise. */
export function handedOver(fact: KeyFact, known: MasterKey, nowMs: number): MasterKey | null {
  const { handOver, installation } = fact;
  if (handOver === null || handOver.masterKeyId !== known.id || handOver.untilMs < nowMs) return null;
  const bytes = openEnvelope(known, nameOfKey(installation.masterKeyId), asBytes(handOver));
  return bytes === null ? null : masterKeyOf(bytes);
}

/** The key before, as long as something may still be sealed by it. */
export function keyBefore(fact: KeyFact, holding: MasterKey): MasterKey | null {
  const { before } = fact;
  if (before === null || before.masterKeyId !== holding.id) return null;
  const bytes = openEnvelope(holding, nameOfKey(before.keyId), asBytes(before));
  return bytes === null ? null : masterKeyOf(bytes);
}

/** The fact after a change from `oldKey` to `newKey`. `untilMs` null: nobody is handed the new key. */
export function changedFact(
  fact: KeyFact,
  oldKey: MasterKey,
  newKey: MasterKey,
  untilMs: number | null,
  random: Random,
): KeyFact {
  const content = installationKey(fact, oldKey);
  const handOver = sealEnvelope(oldKey, nameOfKey(newKey.id), newKey.bytes, random);
  const before = sealEnvelope(newKey, nameOfKey(oldKey.id), oldKey.bytes, random);
  return {
    installation: asText(sealEnvelope(newKey, INSTALLATION, content, random)),
    handOver: untilMs === null ? null : { ...asText(handOver), untilMs },
    before: { ...asText(before), keyId: oldKey.id },
  };
}

/** Forgets a handed over key whose time has passed. */
export async function dropStaleHandOver(db: Db, nowMs: number): Promise<void> {
  await sql`
    UPDATE facts_of_installation SET value = jsonb_set(value, '{handOver}', 'null')
    WHERE name = ${FACT} AND (value->'handOver'->>'untilMs')::bigint < ${nowMs}`.execute(db);
}

export function wrongKey(given: string, wanted: string): DroverError {
  return new DroverError(
    'MASTER_KEY_WRONG',
    `The saved secrets are locked with the master key ${wanted}; the one given is ${given}.`,
    { field: 'masterKey' },
  );
}

function nameOfKey(id: string): string {
  return `master key ${id}`;
}

function asText(envelope: Envelope): EnvelopeText {
  return {
    masterKeyId: envelope.masterKeyId,
    wrappedKey: envelope.wrappedKey.toString('base64'),
    sealed: envelope.sealed.toString('base64'),
  };
}

function asBytes(text: EnvelopeText): Envelope {
  return {
    masterKeyId: text.masterKeyId,
    wrappedKey: Buffer.from(text.wrappedKey, 'base64'),
    sealed: Buffer.from(text.sealed, 'base64'),
  };
}
