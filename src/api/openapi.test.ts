/** The document: whole, agreeing with the code, and the client's types made from this very one. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { ERRORS } from '../model/errors.ts';
import { openApiDocument } from './openapi.ts';
import { ROUTES } from './routes/all.ts';

const at = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const document = openApiDocument('1.2.3') as {
  openapi: string;
  paths: Record<string, Record<string, { operationId: string; parameters: { name?: string; in?: string }[] }>>;
  components: {
    schemas: Record<string, { enum?: string[]; description?: string }>;
    parameters: Record<string, unknown>;
  };
};

describe('the document', () => {
  test('has every route', () => {
    const operations = Object.values(document.paths).flatMap((methods) => Object.values(methods));
    expect(operations.map(({ operationId }) => operationId).toSorted()).toEqual(
      ROUTES.map(({ name }) => name).toSorted(),
    );
  });

  test('describes every parameter of a path', () => {
    for (const [path, methods] of Object.entries(document.paths)) {
      const wanted = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      for (const { parameters } of Object.values(methods)) {
        expect(parameters.filter((each) => each.in === 'path').map(({ name }) => name)).toEqual(wanted);
      }
    }
  });

  test('refers only to what is there', () => {
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/components\/(\w+)\/([^"]+)"/g)];
    expect(references.length).toBeGreaterThan(300);
    expect(JSON.stringify(document)).not.toContain('$defs');
    for (const [, kind, name] of references) {
      expect(Object.keys(document.components[kind as 'schemas'])).toContain(name);
    }
  });

  test('names every error code', () => {
    expect(document.components.schemas['ErrorCode']?.enum).toEqual(Object.keys(ERRORS));
  });

  test('says what every named schema is', () => {
    const silent = Object.entries(document.components.schemas).filter(([, { description }]) => !description);
    expect(silent.map(([name]) => name)).toEqual([]);
  });
});

test("the client's types were made from the checked-in document", () => {
  const hash = createHash('sha256').update(at('docs/reference/openapi.json')).digest('hex');
  const [first = ''] = at('src/api/client/types.ts').split('\n', 1);
  expect(first, 'run "npm run docs", then "npm --prefix tools/openapi-types run generate"').toContain(hash);
});
