/** One more order of the list of runs. */
export const orders = `
CREATE INDEX runs_by_duration ON runs (active_ms, id);
`;
