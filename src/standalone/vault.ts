/** Saved connectors. Every value of their configuration is encrypted; names and providers are not. */
import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto';
import { chmodSync, closeSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import type { DatabaseSync, SQLOutputValue } from 'node:sqlite';
import type { Config } from '../contract/fields.ts';
import type { Clock, Random } from '../lib/world.ts';
import { DroverError } from '../model/errors.ts';
import { fileError, query, transact } from './sqlite.ts';

export interface ConnectorSummary {
  readonly name: string;
  readonly provider: string;
  readonly savedAtMs: number;
}

export interface SavedConnector extends ConnectorSummary {
  readonly config: Config;
}

/** Names compare without case and are kept as they were first written. */
export interface ConnectorVault {
  /** By name, without case. Decrypts nothing. */
  list(): Promise<readonly ConnectorSummary[]>;
  /** `null` when there is none of that name. INVALID_INPUT when the key does not open it. */
  get(name: string): Promise<SavedConnector | null>;
  /** Replaces the connector of that name, if there is one. INVALID_INPUT with `field: 'name'` for a wrong name. */
  save(connector: { readonly name: string; readonly provider: string; readonly config: Config }): Promise<void>;
  /** False when there was none. */
  remove(name: string): Promise<boolean>;
}

const CONNECTOR_NAME = /^[A-Za-z][A-Za-z0-9_-]+$/;
const NAME_CHARACTERS_MAX = 64;
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

type Row = Record<string, SQLOutputValue>;

export class SqliteConnectorVault implements ConnectorVault {
  readonly #database: DatabaseSync;
  readonly #path: string;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #keyPath: string;
  #key: Uint8Array | null;

  /** `masterKey`: 32 bytes; `null` keeps one in a file of its own at `keyPath`. */
  constructor(
    database: DatabaseSync,
    path: string,
    world: { readonly clock: Clock; readonly random: Random },
    keyPath: string,
    masterKey: Uint8Array | null,
  ) {
    if (masterKey !== null && masterKey.length !== KEY_BYTES) {
      throw new DroverError(
        'INVALID_INPUT',
        `The master key must have ${KEY_BYTES} bytes; it has ${masterKey.length}.`,
        {
          field: 'masterKey',
        },
      );
    }
    this.#database = database;
    this.#path = path;
    this.#clock = world.clock;
    this.#random = world.random;
    this.#keyPath = keyPath;
    this.#key = masterKey;
  }

  async list(): Promise<readonly ConnectorSummary[]> {
    return query(this.#path, () =>
      this.#database
        .prepare('SELECT name, provider, saved_at_ms FROM connectors ORDER BY folded_name')
        .all()
        .map(summaryFromRow),
    );
  }

  async get(name: string): Promise<SavedConnector | null> {
    const row = this.#row(name);
    if (row === undefined) return null;
    const key = this.#existingKey();
    if (key === null || keyIdOf(key) !== row['key_id']) throw this.#wrongKey(name);
    const sealed = JSON.parse(String(row['config'])) as Record<string, string>;
    const config: Record<string, string | boolean | number> = {};
    for (const [field, value] of Object.entries(sealed)) {
      config[field] = this.#unseal(key, `${String(row['connector_id'])}\n${field}`, value, name);
    }
    return { ...summaryFromRow(row), config };
  }

  async save(connector: { readonly name: string; readonly provider: string; readonly config: Config }): Promise<void> {
    const { name, provider, config } = connector;
    if (!CONNECTOR_NAME.test(name) || name.length > NAME_CHARACTERS_MAX) {
      throw new DroverError(
        'INVALID_INPUT',
        `"${name}" cannot be the name of a connector: it begins with a letter and has 2 to ${NAME_CHARACTERS_MAX} letters, digits, "_" or "-".`,
        { field: 'name', remedy: 'Choose another name.' },
      );
    }
    const key = this.#existingKey() ?? this.#makeKey();
    transact(this.#database, this.#path, () => {
      const known = this.#row(name);
      const connectorId = Buffer.from(this.#random.bytes(16)).toString('hex');
      const sealed = Object.fromEntries(
        Object.entries(config).map(([field, value]) => [field, this.#seal(key, `${connectorId}\n${field}`, value)]),
      );
      this.#database
        .prepare(
          `INSERT OR REPLACE INTO connectors (folded_name, connector_id, name, provider, saved_at_ms, key_id, config)
           VALUES (?, ?, ?, ?, ?, ?, ?)`,
        )
        .run(
          name.toLowerCase(),
          connectorId,
          known === undefined ? name : String(known['name']),
          provider,
          this.#clock.now(),
          keyIdOf(key),
          JSON.stringify(sealed),
        );
    });
  }

  async remove(name: string): Promise<boolean> {
    return transact(this.#database, this.#path, () => {
      const { changes } = this.#database
        .prepare('DELETE FROM connectors WHERE folded_name = ?')
        .run(name.toLowerCase());
      return Number(changes) > 0;
    });
  }

  #row(name: string): Row | undefined {
    return query(this.#path, () =>
      this.#database.prepare('SELECT * FROM connectors WHERE folded_name = ?').get(name.toLowerCase()),
    );
  }

  /** The value's place is bound to it: a sealed value that is moved to another field does not open. */
  #seal(key: Uint8Array, place: string, value: string | boolean | number): string {
    const nonce = this.#random.bytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES }).setAAD(Buffer.from(place));
    const content = Buffer.concat([cipher.update(JSON.stringify(value), 'utf8'), cipher.final()]);
    return Buffer.concat([nonce, cipher.getAuthTag(), content]).toString('base64');
  }

  #unseal(key: Uint8Array, place: string, sealed: string, name: string): string | boolean | number {
    const bytes = Buffer.from(sealed, 'base64');
    try {
      const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, NONCE_BYTES), {
        authTagLength: TAG_BYTES,
      });
      decipher.setAAD(Buffer.from(place)).setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
      const text = Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES)), decipher.final()]);
      return JSON.parse(text.toString('utf8')) as string | boolean | number;
    } catch (error) {
      throw new DroverError('INVALID_INPUT', `The saved connector "${name}" is damaged: a value of it does not open.`, {
        cause: error,
        field: 'state',
        remedy: `Save it again with "drover connector add ${name}".`,
      });
    }
  }

  #existingKey(): Uint8Array | null {
    if (this.#key !== null) return this.#key;
    let text: string;
    try {
      text = readFileSync(this.#keyPath, 'utf8');
      chmodSync(this.#keyPath, 0o600);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      throw fileError(error, this.#keyPath);
    }
    const key = Buffer.from(text.trim(), 'base64');
    if (key.length !== KEY_BYTES) throw this.#wrongKey(null);
    this.#key = key;
    return key;
  }

  #makeKey(): Uint8Array {
    const count = query(this.#path, () => this.#database.prepare('SELECT count(*) AS count FROM connectors').get());
    // A new key beside connectors of a lost one would hide that they cannot be opened any more.
    if (Number(count?.['count'] ?? 0) > 0) throw this.#wrongKey(null);
    const key = this.#random.bytes(KEY_BYTES);
    try {
      const file = openSync(this.#keyPath, 'wx', 0o600);
      try {
        writeSync(file, `${Buffer.from(key).toString('base64')}\n`);
        fsyncSync(file);
      } finally {
        closeSync(file);
      }
    } catch (error) {
      const other = (error as NodeJS.ErrnoException).code === 'EEXIST' ? this.#existingKey() : null;
      if (other !== null) return other;
      throw fileError(error, this.#keyPath);
    }
    this.#key = key;
    return key;
  }

  #wrongKey(name: string | null): DroverError {
    const what = name === null ? 'the saved connectors' : `the saved connector "${name}"`;
    return new DroverError('INVALID_INPUT', `The key at ${this.#keyPath} does not open ${what}.`, {
      field: 'masterKey',
      remedy: 'Put back the key file or master key they were saved with, or remove them and add them again.',
    });
  }
}

function summaryFromRow(row: Row): ConnectorSummary {
  return { name: String(row['name']), provider: String(row['provider']), savedAtMs: Number(row['saved_at_ms']) };
}

/** Tells keys apart without revealing anything of them. */
function keyIdOf(key: Uint8Array): string {
  return createHmac('sha256', key).update('drover key id').digest('hex').slice(0, 16);
}
