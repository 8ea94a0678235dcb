/** A master key that somebody else's key wraps, as text: which key, and what it made of it. Pure. */

export interface WrappedKey {
  /** As the service names the key: an ARN, or the address of a version. */
  readonly keyId: string;
  readonly wrapped: Uint8Array;
}

/** Who wraps and unwraps: a key in a key management service, which never leaves it. */
export interface KeyWrapping {
  /** For people: `the key … of AWS KMS`. */
  readonly name: string;
  wrap(key: Uint8Array, signal: AbortSignal): Promise<WrappedKey>;
  /** MASTER_KEY_WRONG where another key wrapped it. */
  unwrap(wrapped: WrappedKey, signal: AbortSignal): Promise<Uint8Array>;
}

const MARK = 'drover-wrapped-key-1';

export function wrappedText({ keyId, wrapped }: WrappedKey): string {
  return [MARK, Buffer.from(keyId).toString('base64url'), Buffer.from(wrapped).toString('base64url')].join('.');
}

/** `null`: this is no wrapped key. */
export function wrappedKeyOf(text: string): WrappedKey | null {
  const [mark, keyId, wrapped, ...rest] = text.trim().split('.');
  const isWhole = [keyId, wrapped].every((part) => part !== undefined && /^[\w-]+$/.test(part));
  if (mark !== MARK || !isWhole || rest.length > 0) return null;
  return {
    keyId: Buffer.from(keyId as string, 'base64url').toString('utf8'),
    wrapped: Buffer.from(wrapped as string, 'base64url'),
  };
}
