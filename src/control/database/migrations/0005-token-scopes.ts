/** What a token is narrowed to (names of rights); `NULL`: everything that its role may. */
export const tokenScopes = `
ALTER TABLE tokens ADD COLUMN scopes jsonb;
`;
