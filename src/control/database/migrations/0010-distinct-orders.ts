/**
 * What runs are sorted by, so that hardly two are the same: among very many that moved nothing, the database would take a
 * place in the order for the very last one, and read all of them. Those that moved nothing stand before all others, and
 * runs in which as much failed beside each other, each by when they were queued.
 */
export const distinctOrders = `
ALTER TABLE runs RENAME COLUMN bytes_copied TO bytes_order;
ALTER TABLE runs RENAME COLUMN items_failed TO failed_order;

CREATE FUNCTION bytes_order_of(counters jsonb, queued_at timestamptz) RETURNS bigint LANGUAGE sql STABLE AS $$
  SELECT coalesce(nullif((counters #>> '{bytes,copied}')::bigint, 0), extract(epoch FROM queued_at)::bigint - (1::bigint << 40))
$$;
CREATE FUNCTION failed_order_of(counters jsonb, queued_at timestamptz) RETURNS bigint LANGUAGE sql STABLE AS $$
  SELECT least(coalesce((counters #>> '{items,failed}')::bigint, 0), 1::bigint << 30) * (1::bigint << 32)
    + extract(epoch FROM queued_at)::bigint
$$;
CREATE OR REPLACE FUNCTION run_sums_itself() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.bytes_order := bytes_order_of(NEW.counters, NEW.queued_at);
  NEW.failed_order := failed_order_of(NEW.counters, NEW.queued_at);
  RETURN NEW;
END $$;
UPDATE runs SET bytes_order = bytes_order_of(counters, queued_at), failed_order = failed_order_of(counters, queued_at);
`;
