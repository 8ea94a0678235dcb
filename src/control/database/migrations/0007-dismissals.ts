/**
 * What somebody has looked at of what the overview lists. `since`: how new it was; `cause`: hash of the reason, where that
 * says whether it is another one. What got well in between is forgotten, so that it is listed when it comes back.
 */
export const dismissals = `
CREATE TABLE dismissals (
  id uuid PRIMARY KEY, mark text NOT NULL, what text NOT NULL, entity_id text NOT NULL,
  since timestamptz NOT NULL, cause text NOT NULL,
  kind text NOT NULL, name text NOT NULL, text text NOT NULL, note text NOT NULL,
  created_at timestamptz NOT NULL, created_by text NOT NULL,
  UNIQUE (what, entity_id)
);
CREATE INDEX dismissals_created ON dismissals (created_at, id);

CREATE FUNCTION connector_got_well() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM dismissals WHERE entity_id = NEW.id::text AND (
    (what = 'connector' AND NEW.health <> 'needs-attention')
    OR (what = 'inventory' AND jsonb_typeof(NEW.cloud -> 'lastSyncError') IS DISTINCT FROM 'object'));
  RETURN NULL;
END $$;
CREATE TRIGGER connector_got_well AFTER UPDATE OF health, cloud ON connectors
  FOR EACH ROW EXECUTE FUNCTION connector_got_well();

CREATE FUNCTION artifact_is_made_again() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM dismissals WHERE what = 'artifact' AND entity_id = NEW.id::text;
  RETURN NULL;
END $$;
CREATE TRIGGER artifact_is_made_again AFTER UPDATE OF state ON artifacts
  FOR EACH ROW WHEN (OLD.state = 'failed' AND NEW.state <> 'failed') EXECUTE FUNCTION artifact_is_made_again();
`;
