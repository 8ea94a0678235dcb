/**
 * Which objects an endpoint holds, whoever signs in: JSON text of store, container and prefix. `NULL`: nobody has looked
 * since this column is there; until the next start the account stands for the store. Since then
 * `runs.target_fingerprint`, `target_container` and `target_prefix` are those of the identity, too.
 */
export const placeIdentity = `
ALTER TABLE endpoints ADD COLUMN identity text;
`;
