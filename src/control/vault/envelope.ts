/** One sealed thing: its own data key, wrapped by a master key, both bound to a name that cannot be exchanged. */
import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto';
import type { Random } from '../../lib/world.ts';
import { DroverError } from '../../model/errors.ts';

export const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

export interface Envelope {
  readonly masterKeyId: string;
  readonly wrappedKey: Buffer;
  readonly sealed: Buffer;
}

/** A master key as the vault uses it: the key itself is kept only to be handed over. */
export interface MasterKey {
  readonly id: string;
  readonly bytes: Uint8Array;
  readonly wrapping: Uint8Array;
}

/** INVALID_INPUT unless it has 32 bytes. */
export function masterKeyOf(bytes: Uint8Array): MasterKey {
  if (bytes.length !== KEY_BYTES) {
    throw new DroverError('INVALID_INPUT', `The master key must have ${KEY_BYTES} bytes; it has ${bytes.length}.`, {
      field: 'masterKey',
      remedy: `Make one with "openssl rand -base64 ${KEY_BYTES}".`,
    });
  }
  const id = derive(bytes, 'key id').toString('hex').slice(0, 16);
  return { id, bytes, wrapping: derive(bytes, 'wrap') };
}

/** A key of its own for each purpose. */
export function derive(key: Uint8Array, purpose: string): Buffer {
  return createHmac('sha256', key).update(`drover vault ${purpose}`).digest();
}

export function sealEnvelope(key: MasterKey, name: string, content: Uint8Array, random: Random): Envelope {
  const dataKey = random.bytes(KEY_BYTES);
  return {
    masterKeyId: key.id,
    wrappedKey: encrypt(key.wrapping, `key ${name}`, dataKey, random),
    sealed: encrypt(dataKey, `content ${name}`, content, random),
  };
}

/** `null` when it does not open: another key, another name, or a changed byte. */
export function openEnvelope(key: MasterKey, name: string, envelope: Envelope): Buffer | null {
  const dataKey = decrypt(key.wrapping, `key ${name}`, envelope.wrappedKey);
  return dataKey === null ? null : decrypt(dataKey, `content ${name}`, envelope.sealed);
}

function encrypt(key: Uint8Array, name: string, content: Uint8Array, random: Random): Buffer {
  const nonce = random.bytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES }).setAAD(Buffer.from(name));
  const sealed = Buffer.concat([cipher.update(content), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), sealed]);
}

function decrypt(key: Uint8Array, name: string, bytes: Buffer): Buffer | null {
  if (bytes.length < NONCE_BYTES + TAG_BYTES) return null;
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.from(name)).setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
  try {
    return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES)), decipher.final()]);
  } catch {
    return null;
  }
}
