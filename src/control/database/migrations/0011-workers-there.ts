/** Who is at work on a run: few among all who ever were, and looked for by every worker every few seconds. */
export const workersThere = `
CREATE INDEX run_workers_there ON run_workers (run_id) WHERE left_at IS NULL;
`;
