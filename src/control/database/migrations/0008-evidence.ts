/** Runs that know more of a pair than its last whole transfer: few among all runs, and looked for at each start. */
export const evidence = `
CREATE INDEX runs_evidence ON runs (pair_id, queued_at) WHERE NOT has_snapshot AND NOT logs_expired
  AND (kind IN ('transfer', 'retry') OR kind = 'validate' AND definition LIKE '%"verify":"read-back"%');
`;
