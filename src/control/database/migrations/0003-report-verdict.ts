/** What reports have found out about a run (`Verdict` in reports/verdict.ts). `NULL`: none was made since this is there. */
export const reportVerdict = `
ALTER TABLE runs ADD COLUMN report_verdict jsonb;
`;
