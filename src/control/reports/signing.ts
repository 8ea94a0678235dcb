/**
 * Reports are signed with a key of this installation (Ed25519), so that anybody who has the public key can tell that
 * one was not changed afterwards. The private key is a secret of the vault.
 */
import { createHash, createPrivateKey, generateKeyPairSync, sign } from 'node:crypto';
import { partsOf, partsText, type Seal } from '../../lib/report-seal.ts';
import type { Tx, ControlWorld } from '../world.ts';

const FACT = 'report-signing-key';

interface KeyFact {
  readonly secretId: string;
  readonly publicKey: string;
}

/** `report`: what the bytes say, where they are JSON; `null` for a page. */
export async function sealReport(world: ControlWorld, content: Uint8Array, report: unknown): Promise<Seal> {
  const { secretId, publicKey } = await keyOf(world);
  const { privateKey } = await world.vault.open(world.db, secretId);
  const key = createPrivateKey({ key: Buffer.from(privateKey as string, 'base64'), format: 'der', type: 'pkcs8' });
  const parts = partsOf(content, report);
  return {
    sha256: createHash('sha256').update(content).digest('hex'),
    signature: sign(null, content, key).toString('base64'),
    publicKey,
    parts,
    partsSignature: sign(null, partsText(parts), key).toString('base64'),
  };
}

/** Base64; what reports of this installation are checked with. */
export async function publicKeyOf(world: ControlWorld): Promise<string> {
  return (await keyOf(world)).publicKey;
}

/** Made at its first use; several servers at once end up with the same one. */
async function keyOf(world: ControlWorld): Promise<KeyFact> {
  return (await readFact(world)) ?? (await makeKey(world));
}

async function readFact({ db }: Pick<ControlWorld, 'db'> | { db: Tx }): Promise<KeyFact | null> {
  const row = await db.selectFrom('facts_of_installation').select('value').where('name', '=', FACT).executeTakeFirst();
  return (row?.value as KeyFact | undefined) ?? null;
}

async function makeKey(world: ControlWorld): Promise<KeyFact> {
  const pair = generateKeyPairSync('ed25519');
  const privateKey = pair.privateKey.export({ format: 'der', type: 'pkcs8' }).toString('base64');
  const publicKey = pair.publicKey.export({ format: 'der', type: 'spki' }).toString('base64');
  return world.db.transaction().execute(async (tx) => {
    const secretId = await world.vault.seal(tx, null, { privateKey });
    const made = await tx
      .insertInto('facts_of_installation')
      .values({ name: FACT, value: JSON.stringify({ secretId, publicKey }) })
      .onConflict((conflict) => conflict.column('name').doNothing())
      .executeTakeFirst();
    if (made.numInsertedOrUpdatedRows !== 0n) return { secretId, publicKey };
    await world.vault.remove(tx, secretId);
    return (await readFact({ db: tx })) as KeyFact;
  });
}
