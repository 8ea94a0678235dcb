/**
 * Reports are signed with a key of this installation (Ed25519), so that anybody who has the public key can tell that
 * one was not changed afterwards. The private key is a secret of the vault.
 */
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto';
import type { Tx, ControlWorld } from '../world.ts';

const FACT = 'report-signing-key';

export interface Signature {
  /** Of the JSON report's bytes, hexadecimal. */
  readonly sha256: string;
  /** Base64. */
  readonly signature: string;
  /** SubjectPublicKeyInfo in DER, base64. */
  readonly publicKey: string;
}

interface KeyFact {
  readonly secretId: string;
  readonly publicKey: string;
}

/** Makes the key at its first use; several servers at once end up with the same one. */
export async function signReport(world: ControlWorld, content: Uint8Array): Promise<Signature> {
  const { secretId, publicKey } = (await readFact(world)) ?? (await makeKey(world));
  const { privateKey } = await world.vault.open(world.db, secretId);
  const key = createPrivateKey({ key: Buffer.from(privateKey as string, 'base64'), format: 'der', type: 'pkcs8' });
  return {
    sha256: createHash('sha256').update(content).digest('hex'),
    signature: sign(null, content, key).toString('base64'),
    publicKey,
  };
}

export function isSignedBy(content: Uint8Array, { signature, publicKey }: Signature): boolean {
  const key = createPublicKey({ key: Buffer.from(publicKey, 'base64'), format: 'der', type: 'spki' });
  return verify(null, content, key, Buffer.from(signature, 'base64'));
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
