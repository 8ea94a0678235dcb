/** Advisory locks of PostgreSQL that Drover takes: one table, so that no two purposes share a number. */

const FAMILY = 0x64726f76;

export const LOCKS = {
  /** Held by the server for as long as it uses its embedded database. */
  dataFolder: [FAMILY, 1],
  /** Held while the tables are brought to another version, or filled from a backup. */
  migration: [FAMILY, 2],
  /** Held while a worker is signed on, so that two versions cannot slip in side by side. */
  fleet: [FAMILY, 4],
  /** Held while queued runs are given places. */
  queue: [FAMILY, 5],
} as const;
