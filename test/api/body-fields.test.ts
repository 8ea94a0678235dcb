/** Errors name the fields of the body as they were sent, and as the OpenAPI document knows them. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openApiDocument } from '../../src/api/openapi.ts';
import { API_BASE } from '../../src/api/routes/all.ts';
import { openApi, type Api } from '../../src/api/server.ts';
import { openReplays } from '../../src/control/replays.ts';
import { openTestWorld, type TestWorld } from '../../src/control/testing.ts';
import { insertConnector } from '../../src/control/testing/fixtures.ts';
import { openServices } from '../../src/main/services.ts';
import { local } from '../../src/providers/local/provider.ts';
import { s3 } from '../../src/providers/s3/provider.ts';

const NO_ID = '01890000-0000-7000-8000-00000000ffff';
const stopper = new AbortController();
let world: TestWorld;
let api: Api;
let url: string;
let token: string;
const ids: Record<string, string> = { none: NO_ID };

beforeAll(async () => {
  world = await openTestWorld();
  const providers = new Map([...world.providers, ['s3', s3], ['local', local]]);
  const services = openServices({ ...world, providers }, stopper.signal);
  const { id } = await services.people.create(world.as('admin'), {
    email: 'ana@acme.example',
    name: 'Ana',
    role: 'admin',
    password: 'correct horse battery',
  });
  const ana = { ...world.as('admin'), personId: id };
  token = (await services.tokens.create(ana, { name: 'ci', role: 'admin', expiresAt: null })).secret;
  ids['memory'] = await insertConnector(world);
  ids['project'] = (await services.projects.create(world.as('admin'), { name: 'Move' })).id;
  api = await openApi({
    ...world,
    providers,
    services,
    replays: openReplays(world),
    ready: async () => ({ ready: true, parts: [] }),
    metrics: async () => '',
    staticFolder: null,
    checkAnswers: true,
  });
  ({ url } = await api.listen('127.0.0.1', 0));
});
afterAll(async () => {
  stopper.abort();
  await api.close();
  await world.close();
});

type Schema = {
  $ref?: string;
  properties?: Record<string, Schema>;
  additionalProperties?: unknown;
  anyOf?: Schema[];
  items?: Schema;
};
const document = openApiDocument('1.0.0') as {
  paths: Record<string, Record<string, { requestBody?: { content: { 'application/json': { schema: Schema } } } }>>;
  components: { schemas: Record<string, Schema> };
};

/** Whether the document knows that path within a schema. */
function knows(schema: Schema, [step, ...rest]: readonly string[]): boolean {
  if (step === undefined) return true;
  if (schema.$ref !== undefined) {
    return knows(document.components.schemas[schema.$ref.split('/').at(-1) ?? ''] ?? {}, [step, ...rest]);
  }
  if (schema.anyOf !== undefined) return schema.anyOf.some((one) => knows(one, [step, ...rest]));
  const member = schema.properties?.[step];
  if (member !== undefined) return knows(member, rest);
  const { additionalProperties: others } = schema;
  return others !== undefined && others !== false && knows(others as Schema, rest);
}

const S3 = {
  provider: 's3',
  name: 'Acme',
  config: { authorization: 'keys', accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'x' },
};

test.each<[path: string, body: object, field: string, words?: string]>([
  ['/connectors', { ...S3, config: { ...S3.config, bogus: 1 } }, 'config.bogus'],
  ['/connectors', { provider: 'local', name: 'Disk', config: {} }, 'config.root'],
  [
    '/connectors',
    { provider: 'memory', name: 'M', config: {}, limits: { requestsPerSecond: 0, transfersMax: null } },
    'limits.requestsPerSecond',
    'Give more than 0.',
  ],
  [
    '/connectors',
    { provider: 'memory', name: 'M', config: {}, limits: { requestsPerSecond: null, transfersMax: 0 } },
    'limits.transfersMax',
    'Give more than 0.',
  ],
  ['/connectors/check', { connector: { provider: 'local', config: {} } }, 'connector.config.root'],
  ['/connectors/{memory}/reauthorize', { config: { bogus: 'x' } }, 'config.bogus'],
  ['/connectors/{memory}/containers', { name: '' }, 'name'],
  ['/endpoints', { kind: 'source', connectorId: '{memory}', place: { container: '', prefix: '' } }, 'place.container'],
  [
    '/endpoints',
    { kind: 'source', connectorId: '{memory}', place: { container: 'absent', prefix: '' } },
    'place.container',
  ],
  ['/endpoints', { kind: 'source', connectorId: '{none}', place: { container: 'a', prefix: '' } }, 'connectorId'],
  [
    '/projects/{project}/jobs',
    { name: 'J', sourceEndpointId: '{none}', targetEndpointId: '{none}' },
    'sourceEndpointId',
  ],
])('POST %s %j: %s', async (path, body, field, words) => {
  const filled = (text: string): string => text.replaceAll(/\{(\w+)\}/g, (all, name: string) => ids[name] ?? all);
  const answer = await fetch(url + API_BASE + filled(path), {
    method: 'POST',
    body: filled(JSON.stringify(body)),
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
  });
  const problem = (await answer.json()) as { field: string; detail: string; errors: { path: string }[] };
  expect(problem, JSON.stringify(problem)).toMatchObject({ field });
  expect(problem.errors[0]?.path).toBe(field);
  if (words !== undefined) expect(problem.detail).toBe(words);
  const operation = Object.entries(document.paths).find(
    ([known, { post }]) => post !== undefined && known === API_BASE + path.replaceAll(/\{\w+\}/g, '{id}'),
  )?.[1]['post'];
  const schema = operation?.requestBody?.content['application/json'].schema ?? {};
  expect(knows(schema, field.split('.')), `${field} in the document`).toBe(true);
});
