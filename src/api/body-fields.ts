/** Where in the body of a request an error is: services name what they look at, a client knows what it has sent. Pure. */
import type { z } from 'zod';
import { DroverError } from '../model/errors.ts';
import { InvalidRequest } from './problems.ts';
import type { Route } from './routes/route.ts';

const HEADERS: ReadonlySet<string> = new Set(['Idempotency-Key', 'If-Match']);

/** The same error, its field a path within `body` where it is about something in there. */
export function inBody({ body: schema, bodyFields }: Route, body: unknown, thrown: unknown): unknown {
  if (schema === null || !(thrown instanceof DroverError) || thrown instanceof InvalidRequest) return thrown;
  const field = thrown.field === null ? idIn(body, thrown) : pathOf(thrown.field, schema, bodyFields);
  // Whatever else it is and holds stays.
  return field === thrown.field ? thrown : (Object.create(thrown, { field: { value: field } }) as DroverError);
}

function pathOf(field: string, schema: z.ZodType, { renamed = {}, within }: Route['bodyFields']): string {
  if (Object.hasOwn(renamed, field)) return String(renamed[field]);
  const [member = ''] = field.split(/[.[]/, 1);
  const isOwn = Object.hasOwn((schema as Partial<z.ZodObject>).shape ?? {}, member);
  return isOwn || within === undefined || HEADERS.has(field) ? field : `${within}.${field}`;
}

/** Which member holds the id that nothing has; `null`: the one in the address of the request. */
function idIn(body: unknown, { code, message }: DroverError): string | null {
  if (code !== 'ENTITY_NOT_FOUND' && code !== 'CONNECTOR_NOT_FOUND') return null;
  const visit = (value: unknown, path: string): string | null => {
    if (typeof value === 'string') return path.endsWith('Id') && message.includes(`"${value}"`) ? path : null;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
    for (const [name, member] of Object.entries(value)) {
      const found = visit(member, path === '' ? name : `${path}.${name}`);
      if (found !== null) return found;
    }
    return null;
  };
  return visit(body, '');
}
