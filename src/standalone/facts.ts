/** What targets were seen to honour, kept so that it is asked only once per store and container. */
import type { DatabaseSync } from 'node:sqlite';
import type { TargetFacts } from '../contract/provider.ts';
import { query, transact } from './sqlite.ts';

export interface FactsStore {
  get(fingerprint: string, container: string): Promise<TargetFacts | null>;
  put(fingerprint: string, container: string, facts: TargetFacts): Promise<void>;
}

export class SqliteFactsStore implements FactsStore {
  readonly #database: DatabaseSync;
  readonly #path: string;

  constructor(database: DatabaseSync, path: string) {
    this.#database = database;
    this.#path = path;
  }

  async get(fingerprint: string, container: string): Promise<TargetFacts | null> {
    const row = query(this.#path, () =>
      this.#database
        .prepare('SELECT facts FROM target_facts WHERE fingerprint = ? AND container = ?')
        .get(fingerprint, container),
    );
    return row === undefined ? null : (JSON.parse(String(row['facts'])) as TargetFacts);
  }

  async put(fingerprint: string, container: string, facts: TargetFacts): Promise<void> {
    transact(this.#database, this.#path, () => {
      this.#database
        .prepare('INSERT OR REPLACE INTO target_facts (fingerprint, container, facts) VALUES (?, ?, ?)')
        .run(fingerprint, container, JSON.stringify(facts));
    });
  }
}
