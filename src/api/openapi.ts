/** The OpenAPI 3.1 document, made from the table of routes alone: the same text on every machine. */
import { z } from 'zod';
import { leastRole } from '../control/people/roles.ts';
import { PROBLEM_TYPE } from './problems.ts';
import { API_BASE, ROUTES } from './routes/all.ts';
import type { Answer, Route } from './routes/route.ts';
import { listQuery } from './wire/common.ts';
import { problem } from './wire/problem.ts';

type Schema = Record<string, unknown>;

/** Collects components while schemas are turned into JSON Schema. */
class Components {
  readonly schemas = new Map<string, Schema>();

  of(schema: z.ZodType, io: 'input' | 'output'): Schema {
    const {
      $schema: _dialect,
      $defs = {},
      ...root
    } = z.toJSONSchema(schema, {
      io,
      target: 'draft-2020-12',
      unrepresentable: 'any',
    }) as Schema & { $defs?: Record<string, Schema> };
    for (const [id, definition] of Object.entries($defs)) this.#add(id, definition);
    const { id, ...plain } = root as Schema & { id?: string };
    if (id === undefined) return rewritten(plain);
    this.#add(id, plain);
    return { $ref: `#/components/schemas/${id}` };
  }

  #add(id: string, definition: Schema): void {
    const { id: _name, ...plain } = definition;
    this.schemas.set(id, rewritten(plain));
  }
}

/** References point into the document; what every reader knows anyhow is left out. */
function rewritten<T>(value: T): T {
  if (Array.isArray(value)) return value.map(rewritten) as T;
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).flatMap(([name, member]): [string, unknown][] => {
    if (name === '$ref') return [[name, String(member).replace('#/$defs/', '#/components/schemas/')]];
    if (name === 'propertyNames') return [];
    return [[name, rewritten(member)]];
  });
  return Object.fromEntries(entries) as T;
}

export function openApiDocument(programVersion: string): Schema {
  const components = new Components();
  const paths: Record<string, Record<string, Schema>> = {};
  for (const route of ROUTES) {
    (paths[API_BASE + route.path] ??= {})[route.method.toLowerCase()] = operation(route, components);
  }
  components.of(problem, 'input');
  return {
    openapi: '3.1.0',
    info: {
      title: 'Drover',
      version: programVersion,
      description:
        'Moves content between Amazon S3, Azure Blob Storage and folders, and proves that nothing was lost.\n\n' +
        'Sign in with a token (`Authorization: Bearer drv_…`) or with the cookie of a session; with a cookie everything ' +
        'but GET needs the header `X-CSRF-Token`. Errors are `application/problem+json` with a `code` of the table.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    tags: [...new Set(ROUTES.map(({ subject }) => subject))].map((name) => ({ name })),
    security: [{ token: [] }, { session: [] }],
    paths,
    components: {
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', description: 'A token that begins with `drv_`.' },
        session: { type: 'apiKey', in: 'cookie', name: 'drover_session' },
      },
      parameters: sharedParameters(components),
      schemas: Object.fromEntries([...components.schemas].toSorted(([a], [b]) => (a < b ? -1 : 1))),
    },
  };
}

function operation(route: Route, components: Components): Schema {
  const role = route.right === 'open' ? 'Needs no sign-in.' : `Needs the role ${leastRole(route.right)}.`;
  return {
    operationId: route.name,
    tags: [route.subject],
    summary: route.summary,
    description: [route.description, role].filter((text) => text !== undefined).join('\n\n'),
    ...(route.right === 'open' ? { security: [] } : {}),
    parameters: parameters(route, components),
    ...(route.body === null
      ? {}
      : {
          requestBody: {
            required: true,
            content: { 'application/json': { schema: components.of(route.body, 'input') } },
          },
        }),
    responses: {
      ...answers(route, components),
      default: {
        description: 'What went wrong.',
        content: { [PROBLEM_TYPE]: { schema: components.of(problem, 'input') } },
      },
    },
  };
}

const header = (name: string, description: string): Schema => ({
  name,
  in: 'header',
  required: false,
  description,
  schema: { type: 'string' },
});

/** Component name → parameter: what many routes take. */
function sharedParameters(components: Components): Record<string, Schema> {
  const list = members(listQuery, 'query', components).map((parameter) => [String(parameter['name']), parameter]);
  return {
    ...(Object.fromEntries(list) as Record<string, Schema>),
    ifMatch: header('If-Match', 'The ETag seen last; refused with EDIT_CONFLICT when it changed.'),
    idempotencyKey: header(
      'Idempotency-Key',
      'Anything unique; the same request sent twice within a day has one effect.',
    ),
  };
}

function parameters(route: Route, components: Components): Schema[] {
  const shared = (name: string): Schema => ({ $ref: `#/components/parameters/${name}` });
  const isList = route.query === listQuery;
  return [
    ...members(route.params, 'path', components),
    ...(isList ? Object.keys(listQuery.shape).map(shared) : members(route.query, 'query', components)),
    ...Object.entries(route.filters ?? {}).map(([name, values]) => ({
      name: `filter.${name}`,
      in: 'query',
      required: false,
      description: 'Any of these values.',
      schema: { type: 'array', items: { type: 'string', ...(values === null ? {} : { enum: [...values] }) } },
      style: 'form',
      explode: true,
    })),
    ...(route.versioned ? [shared('ifMatch')] : []),
    ...(route.creates || route.stepwise ? [shared('idempotencyKey')] : []),
    ...(route.answer.kind === 'events' ? [header('Last-Event-ID', 'The last event that was received.')] : []),
    ...(route.answer.kind === 'file' ? [header('Range', 'One range of bytes.')] : []),
  ];
}

function members(schema: z.ZodType | null, where: 'path' | 'query', components: Components): Schema[] {
  if (!(schema instanceof z.ZodObject)) return [];
  const entries = Object.entries(schema.shape as Record<string, z.ZodType>);
  return entries.map(([name, member]) => {
    const { description, ...plain } = components.of(member, 'output');
    return {
      name,
      in: where,
      required: where === 'path' || !member.safeParse(undefined).success,
      ...(description === undefined ? {} : { description }),
      schema: plain,
    };
  });
}

const OTHER_TYPES: Readonly<Record<Exclude<Answer['kind'], 'json' | 'none' | 'redirect'>, string>> = {
  lines: 'application/x-ndjson',
  file: 'application/octet-stream',
  events: 'text/event-stream',
};

function answers({ answer, creates, versioned }: Route, components: Components): Schema {
  const { description } = answer;
  if (answer.kind === 'none') return { 204: { description } };
  if (answer.kind === 'redirect') return { 302: { description } };
  if (answer.kind === 'json') {
    const headers = versioned || creates ? { headers: { ETag: { schema: { type: 'string' } } } } : {};
    return {
      [creates ? 201 : 200]: {
        description,
        ...headers,
        content: { 'application/json': { schema: components.of(answer.schema, 'input') } },
      },
    };
  }
  const schema = answer.kind === 'lines' ? components.of(answer.schema, 'input') : { type: 'string' };
  return { 200: { description, content: { [OTHER_TYPES[answer.kind]]: { schema } } } };
}

/** As it is checked in. */
export function openApiText(programVersion: string): string {
  return `${JSON.stringify(openApiDocument(programVersion), null, 2)}\n`;
}
