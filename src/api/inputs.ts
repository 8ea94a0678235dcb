/** Parameters, queries and bodies, held against the schemas of their route. */
import type { z } from 'zod';
import { schemaProblems } from '../control/schema-words.ts';
import { DroverError } from '../model/errors.ts';
import { InvalidRequest, type FieldError } from './problems.ts';
import type { Route } from './routes/route.ts';

export interface Inputs {
  readonly params: unknown;
  readonly query: unknown;
  readonly body: unknown;
}

export interface RawInputs {
  readonly params: unknown;
  readonly query: Readonly<Record<string, unknown>>;
  readonly body: unknown;
}

export function checkInputs(route: Route, raw: RawInputs): Inputs {
  return {
    params: checkParams(route, raw.params),
    query: checkQuery(route, raw.query),
    body: checkBody(route, raw.body),
  };
}

/** An id that is none is not there either. */
function checkParams({ params, path }: Route, raw: unknown): unknown {
  if (params === null) return undefined;
  const parsed = params.safeParse(raw);
  if (parsed.success) return parsed.data;
  const word = (path.split('/')[1] ?? '').replace(/s$/, '');
  const id = String((raw as Record<string, unknown> | null)?.['id'] ?? '');
  throw new DroverError('ENTITY_NOT_FOUND', `There is no ${word} with the id "${id.slice(0, 100)}".`);
}

function checkQuery({ query, filters }: Route, raw: RawInputs['query']): unknown {
  if (query === null) return refuseUnknown(raw, []);
  const plain: Record<string, unknown> = {};
  const filter: [name: string, values: string[]][] = [];
  for (const [name, value] of Object.entries(raw)) {
    const values = (Array.isArray(value) ? value : [value]).map(String);
    if (filters !== null && name.startsWith('filter.')) filter.push([name.slice('filter.'.length), values]);
    else if (values.length === 1) plain[name] = values[0];
    else throw new InvalidRequest([{ path: name, message: 'Give it once.' }]);
  }
  const shape = (query as Partial<z.ZodObject>).shape;
  if (shape !== undefined) {
    const ofFilters = Object.keys(filters ?? {}).map((name) => `filter.${name}`);
    refuseUnknown(plain, [...Object.keys(shape), ...ofFilters]);
  }
  const parsed = query.safeParse(plain);
  if (!parsed.success) throw new InvalidRequest(errorsOf(parsed.error, plain));
  // From entries, so that a name such as `__proto__` is a member like any other, and refused like any other.
  return filter.length === 0 ? parsed.data : { ...(parsed.data as object), filter: Object.fromEntries(filter) };
}

function refuseUnknown(given: object, known: readonly string[]): undefined {
  const unknown = Object.keys(given).filter((name) => !known.includes(name));
  if (unknown.length === 0) return undefined;
  const there = known.length === 0 ? 'there is none' : `there are: ${known.join(', ')}`;
  throw new InvalidRequest(unknown.map((path) => ({ path, message: `There is no parameter "${path}"; ${there}.` })));
}

function checkBody({ body, fixed }: Route, raw: unknown): unknown {
  if (body === null) return undefined;
  refuseFixed(fixed, raw);
  // Without a body everything is left out; where something is required, its absence is named.
  const parsed = body.safeParse(raw ?? {});
  if (parsed.success) return parsed.data;
  throw new InvalidRequest(errorsOf(parsed.error, raw ?? {}));
}

function refuseFixed(fixed: Route['fixed'], raw: unknown): void {
  for (const [field, reason] of Object.entries(fixed)) {
    if (typeof raw === 'object' && raw !== null && Object.hasOwn(raw, field)) {
      throw new DroverError('FIXED_FIELD', `"${field}" cannot be changed. ${reason}`, { field });
    }
  }
}

function errorsOf(error: z.ZodError, input: unknown): readonly FieldError[] {
  return schemaProblems(error, input).map(({ path, message }) => ({ path: path.map(String).join('.'), message }));
}
