/** The key with which a person who is signed in by Entra ID signs addresses: fetched when first needed, and kept. */
import { childText, parseXml } from '../../lib/xml.ts';
import { DroverError } from '../../model/errors.ts';
import type { BlobClient } from './client.ts';
import { seconds, type DelegationKey } from './sas.ts';

const KEY_LIFETIME_MS = 24 * 3_600_000;
/** Keys begin a little in the past, because clocks differ. */
const CLOCK_SLACK_MS = 15 * 60_000;
const ANSWER_BYTES_MAX = 64 * 1024;

export class DelegationKeys {
  readonly #client: BlobClient;
  #held: { readonly key: DelegationKey; readonly expiresAtMs: number } | null = null;
  #flight: Promise<void> | null = null;
  #isRefused = false;

  constructor(client: BlobClient) {
    this.#client = client;
  }

  /** A key that lives at least so long; `null` where we have no right to one, which is asked only once. */
  async current(lifetimeMs: number, signal: AbortSignal): Promise<DelegationKey | null> {
    for (;;) {
      if (this.#isRefused) return null;
      const isEnough = this.#held !== null && this.#held.expiresAtMs >= this.#client.now() + lifetimeMs;
      if (isEnough) return this.#held?.key ?? null;
      this.#flight ??= this.#fetch(Math.max(KEY_LIFETIME_MS, 2 * lifetimeMs), signal).finally(() => {
        this.#flight = null;
      });
      await this.#flight;
    }
  }

  async #fetch(lifetimeMs: number, signal: AbortSignal): Promise<void> {
    const nowMs = this.#client.now();
    const start = seconds(nowMs - CLOCK_SLACK_MS);
    const expiresAtMs = nowMs + lifetimeMs;
    const content = Buffer.from(
      `<?xml version="1.0" encoding="utf-8"?><KeyInfo><Start>${start}</Start><Expiry>${seconds(expiresAtMs)}</Expiry></KeyInfo>`,
    );
    try {
      const text = await this.#client.sendForText(
        {
          method: 'POST',
          operation: 'TOKEN',
          query: { restype: 'service', comp: 'userdelegationkey' },
          headers: { 'content-type': 'application/xml' },
          body: { sizeBytes: content.length, content },
          signal,
          accepts: [200],
        },
        ANSWER_BYTES_MAX,
      );
      // Rounded to seconds, the key ends up to a second earlier than was asked.
      this.#held = { key: keyOf(text), expiresAtMs: expiresAtMs - 1000 };
    } catch (thrown) {
      const isFinal = thrown instanceof DroverError && thrown.policy.retry === 'never' && thrown.code !== 'CANCELLED';
      if (!isFinal) throw thrown;
      this.#isRefused = true;
      this.#client.log('debug', 'No user delegation key: only copies within the account are left to the service.', {
        reason: thrown.message,
      });
    }
  }
}

function keyOf(text: string): DelegationKey {
  const root = parseXml(text);
  const told = (name: string): string => childText(root, name) ?? '';
  const value = Buffer.from(told('Value'), 'base64');
  if (root.name !== 'UserDelegationKey' || value.length === 0) {
    throw new DroverError('UNAVAILABLE', 'The service answered the request for a user delegation key without one.');
  }
  return {
    objectId: told('SignedOid'),
    tenantId: told('SignedTid'),
    start: told('SignedStart'),
    expiry: told('SignedExpiry'),
    service: told('SignedService'),
    version: told('SignedVersion'),
    value,
  };
}
