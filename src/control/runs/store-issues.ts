/** The failed and unsupported items of a run that can be searched, as a commit adds them. */
import { sql } from 'kysely';
import type { ItemRecord } from '../../model/outcome.ts';
import { searchable } from './store-rows.ts';

/** Of one run; all of them are in the copy log. */
export const ISSUES_KEPT_MAX = 100_000;

export interface IssueColumns {
  readonly results: string[];
  readonly codes: string[];
  readonly sizes: number[];
  readonly keys: string[];
  readonly records: string[];
}

export function issueColumns(issues: readonly ItemRecord[]): IssueColumns {
  return {
    results: issues.map(({ result }) => result),
    codes: issues.map(({ code }) => code),
    sizes: issues.map(({ sizeBytes }) => sizeBytes),
    keys: issues.map(({ key }) => searchable(key)),
    records: issues.map((record) => JSON.stringify(record)),
  };
}

/**
 * As long as all issues before these were kept, the sums over the segments say how many those are: no counting of rows.
 */
export function keepIssues(runId: string, { results, codes, sizes, keys, records }: IssueColumns) {
  return sql`, kept AS (
    INSERT INTO run_items (run_id, segment_id, result, code, size_bytes, key_text, record)
    SELECT ${runId}, held.segment_id, one.result, one.code, one.size_bytes, one.key_text, one.record
    FROM held, unnest(${results}::text[], ${codes}::text[], ${sizes}::bigint[], ${keys}::text[], ${records}::text[])
      WITH ORDINALITY AS one (result, code, size_bytes, key_text, record, place)
    WHERE one.place <= ${ISSUES_KEPT_MAX} - (
      SELECT coalesce(sum((counters #>> '{items,failed}')::bigint + (counters #>> '{items,unsupported}')::bigint
        + coalesce((counters ->> 'deletesFailed')::bigint, 0)), 0)
      FROM segments WHERE run_id = ${runId})
    ORDER BY one.place
  )`;
}
