/**
 * docs/reference/openapi.json → src/api/client/types.ts. Run after `npm run docs`:
 *
 *   npm --prefix tools/openapi-types ci && npm --prefix tools/openapi-types run generate
 *
 * The first line keeps a hash of the document, so that a test notices types that are older than it.
 */
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import openapiTS, { astToString } from 'openapi-typescript';

const at = (path) => new URL(`../../${path}`, import.meta.url);

const document = readFileSync(at('docs/reference/openapi.json'));
const hash = createHash('sha256').update(document).digest('hex');
const types = astToString(await openapiTS(JSON.parse(document.toString()), { defaultNonNullable: false }));
writeFileSync(
  at('src/api/client/types.ts'),
  `// Made from docs/reference/openapi.json (sha256 ${hash}) by tools/openapi-types; do not edit.\n${types}`,
);
