/** Time and chance as arguments, so that a test or a simulator can own them. */

export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Milliseconds from an arbitrary start that never goes back. */
  monotonic(): number;
  /** Resolves after `delayMs`; rejects with CANCELLED when the signal fires first. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>;
}

export interface Random {
  /** In [0, 1). */
  fraction(): number;
  /** Cryptographically strong where it matters (ids, external IDs). */
  bytes(length: number): Uint8Array;
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type Log = (level: LogLevel, message: string, details?: Readonly<Record<string, unknown>>) => void;
