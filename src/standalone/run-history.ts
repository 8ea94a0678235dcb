/** What is kept of earlier runs, and how it is forgotten. */
import type { DatabaseSync } from 'node:sqlite';
import { chunkPrefix } from '../engine/chunks.ts';
import type { ArtifactStore, RunRecord, RunStore } from '../engine/ports.ts';
import { query, transact } from './sqlite.ts';

export interface RunHistory {
  /** The newest run of that transfer, however it ended. */
  newestOf(transferId: string): Promise<RunRecord | null>;
  /** Ids of the runs that hold the latest snapshot of their pair of places, or the latest of their transfer. */
  latestSnapshots(): Promise<LatestSnapshots>;
  /**
   * Forgets a run with its log, snapshot and manifest. Whether it may go, the caller has asked. What is left behind by
   * a process that dies in the middle still is a run, and goes when this is repeated.
   */
  remove(runId: string): Promise<void>;
}

export interface LatestSnapshots {
  readonly ofPairs: ReadonlySet<string>;
  readonly ofTransfers: ReadonlySet<string>;
}

export class SqliteRunHistory implements RunHistory {
  readonly #database: DatabaseSync;
  readonly #path: string;
  readonly #store: RunStore;
  readonly #artifacts: ArtifactStore;

  constructor(database: DatabaseSync, path: string, store: RunStore, artifacts: ArtifactStore) {
    this.#database = database;
    this.#path = path;
    this.#store = store;
    this.#artifacts = artifacts;
  }

  async newestOf(transferId: string): Promise<RunRecord | null> {
    const row = query(this.#path, () =>
      this.#database
        .prepare('SELECT run_id FROM runs WHERE transfer_id = ? ORDER BY number DESC LIMIT 1')
        .get(transferId),
    );
    return row === undefined ? null : this.#store.getRun(String(row['run_id']));
  }

  async latestSnapshots(): Promise<LatestSnapshots> {
    return { ofPairs: this.#latestPer('pair_id'), ofTransfers: this.#latestPer('transfer_id') };
  }

  async remove(runId: string): Promise<void> {
    // In this order the run can still be named, and removed again, as long as anything of it is there.
    await this.#artifacts.removeAll(chunkPrefix(runId));
    transact(this.#database, this.#path, () => {
      for (const table of this.#tablesOfRuns()) {
        this.#database.prepare(`DELETE FROM ${table} WHERE run_id = ?`).run(runId);
      }
    });
  }

  /** Every table that knows a run, asked of the file itself; the runs come last, because the others refer to them. */
  #tablesOfRuns(): readonly string[] {
    const sql = `SELECT t.name AS name FROM sqlite_master AS t JOIN pragma_table_info(t.name) AS c
      WHERE t.type = 'table' AND c.name = 'run_id' ORDER BY t.name = 'runs'`;
    return this.#database
      .prepare(sql)
      .all()
      .map((row) => String(row['name']));
  }

  /** By number, not by time: a clock that was ahead for a while decides nothing. */
  #latestPer(column: 'pair_id' | 'transfer_id'): ReadonlySet<string> {
    const sql = `SELECT run_id FROM runs
      WHERE number IN (SELECT max(number) FROM runs WHERE has_snapshot = 1 GROUP BY ${column})`;
    const rows = query(this.#path, () => this.#database.prepare(sql).all());
    return new Set(rows.map((row) => String(row['run_id'])));
  }
}
