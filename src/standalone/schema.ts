/** Tables of the state file. Keys stand in JSON text, because SQLite text cannot hold every key. */

/** Raised with every change of the tables; a file with a higher one is refused. */
export const SCHEMA_VERSION = 2;

const USAGES = `
CREATE TABLE usages (
  run_id TEXT NOT NULL REFERENCES runs (run_id),
  session TEXT NOT NULL,
  requests TEXT NOT NULL,
  active_ms REAL NOT NULL,
  PRIMARY KEY (run_id, session)
);
`;

/** What leads from a version to the one after it. */
export const MIGRATIONS: Readonly<Record<number, string>> = { 1: USAGES };

export const SCHEMA = `
CREATE TABLE schema_version (version INTEGER NOT NULL);

CREATE TABLE runs (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  run_id TEXT NOT NULL UNIQUE,
  transfer_id TEXT NOT NULL,
  pair_id TEXT NOT NULL,
  state TEXT NOT NULL,
  started_at_ms INTEGER NOT NULL,
  has_snapshot INTEGER NOT NULL,
  record TEXT NOT NULL,
  counters TEXT NOT NULL
);
CREATE INDEX runs_by_transfer ON runs (transfer_id, state);
CREATE INDEX runs_by_pair ON runs (pair_id, has_snapshot);
CREATE INDEX runs_by_start ON runs (started_at_ms);

CREATE TABLE segments (
  run_id TEXT NOT NULL REFERENCES runs (run_id),
  segment_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  from_key TEXT NOT NULL,
  to_key TEXT NOT NULL,
  state TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  checkpoint TEXT NOT NULL,
  counters TEXT NOT NULL,
  PRIMARY KEY (run_id, segment_id)
);
CREATE INDEX segments_open ON segments (run_id, state);

CREATE TABLE chunks (
  run_id TEXT NOT NULL,
  segment_id TEXT NOT NULL,
  number INTEGER NOT NULL,
  name TEXT NOT NULL,
  PRIMARY KEY (run_id, segment_id, number),
  UNIQUE (run_id, name)
);

${USAGES}
CREATE TABLE intents (
  run_id TEXT NOT NULL,
  intent_id TEXT NOT NULL,
  intent TEXT NOT NULL,
  PRIMARY KEY (run_id, intent_id)
);

CREATE TABLE connectors (
  folded_name TEXT PRIMARY KEY,
  connector_id TEXT NOT NULL,
  name TEXT NOT NULL,
  provider TEXT NOT NULL,
  saved_at_ms INTEGER NOT NULL,
  key_id TEXT NOT NULL,
  config TEXT NOT NULL
);

CREATE TABLE target_facts (
  fingerprint TEXT NOT NULL,
  container TEXT NOT NULL,
  facts TEXT NOT NULL,
  PRIMARY KEY (fingerprint, container)
);
`;
