/**
 * A route is data: from one table come the registration, the checks of rights and inputs, the OpenAPI document and the
 * test of roles against routes.
 */
import type { z } from 'zod';
import type { Actor } from '../../control/entities.ts';
import type { FilterNames } from '../../control/filters.ts';
import type { Right } from '../../control/people/roles.ts';
import type { Services, Steps } from '../../control/services.ts';
import type { Cookies } from '../cookies.ts';
import type { ApiWorld } from '../world.ts';

export type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE';

/** One request, checked. */
export interface Call<Params, Query, Body> {
  /** Of an open route: the one that would be asked, nobody in particular. */
  readonly actor: Actor;
  readonly params: Params;
  readonly query: Query;
  readonly body: Body;
  /** From `If-Match`; `null`: whatever it is now. */
  readonly version: number | null;
  /** Fires when the client is gone or the server closes. */
  readonly signal: AbortSignal;
  readonly services: Services;
  readonly world: ApiWorld;
  readonly visit: Visit;
  /** Of a stepwise route. */
  readonly steps: Steps | undefined;
}

/** What else is known about who calls. */
export interface Visit {
  readonly requestId: string;
  readonly address: string | null;
  readonly userAgent: string | null;
  /** Scheme and host as the client sees them. */
  readonly origin: string;
  readonly url: string;
  /** A browser keeps the cookie of a session here. */
  readonly keepsCookies: boolean;
  readonly sessionSecret: string | null;
  readonly csrfToken: string | null;
  readonly cookies: Cookies;
  readonly lastEventId: string | null;
}

/** A file to download. */
export interface FileAnswer {
  readonly fileName: string;
  readonly mediaType: string;
  readonly sizeBytes: number | null;
  readonly sha256: string | null;
  readonly content: AsyncIterable<Uint8Array>;
}

export type Answer<T = unknown> =
  | { readonly kind: 'json'; readonly schema: z.ZodType<T>; readonly description: string }
  /** Without a body. */
  | { readonly kind: 'none'; readonly description: string }
  /** One JSON value per line, as it is known; a failure in the middle is a last line `{"problem": …}`. */
  | { readonly kind: 'lines'; readonly schema: z.ZodType<T>; readonly description: string }
  | { readonly kind: 'file'; readonly description: string }
  | { readonly kind: 'events'; readonly description: string }
  | { readonly kind: 'redirect'; readonly description: string };

export interface Route {
  /** `operationId`; unique. */
  readonly name: string;
  readonly method: Method;
  /** Under `/api/v1`: `/jobs/{id}/runs`. */
  readonly path: string;
  readonly subject: string;
  readonly summary: string;
  readonly description?: string;
  /** `open`: answers without signing in. */
  readonly right: Right | 'open';
  readonly params: z.ZodType | null;
  readonly query: z.ZodType | null;
  /** Names that `filter.NAME` may have, and their values; `null`: not a list. */
  readonly filters: FilterNames | null;
  readonly body: z.ZodType | null;
  readonly answer: Answer;
  /** Something new comes to be: 201, and `Idempotency-Key` is honoured. */
  readonly creates: boolean;
  /** The answer once more, from the id of what was made. `null`: it held a secret, which nobody knows any more. */
  readonly again: ((call: Call<unknown, unknown, unknown>, id: string) => Promise<unknown>) | null;
  /** The answer holds a secret that is shown once: it is never stored for a repeat. */
  readonly secretAnswer: boolean;
  /** Several new things come to be, one after the other: `Idempotency-Key` is honoured for each. */
  readonly stepwise: boolean;
  /** Honours `If-Match`. */
  readonly versioned: boolean;
  /** Members of the body that cannot change, with the reason. */
  readonly fixed: Readonly<Record<string, string>>;
  readonly bodyFields: BodyFields;
  /** Its body is a document that may be as large as everything that is saved: it has a limit of its own. */
  readonly takesDocument: boolean;
  handle(call: Call<unknown, unknown, unknown>): Promise<unknown>;
}

/** What services call a field that has another name, or lies deeper, in the body. */
export interface BodyFields {
  readonly renamed?: Readonly<Record<string, string>>;
  /** Where everything lies that is no member of the body itself. */
  readonly within?: string;
}

type Output<S> = S extends z.ZodType ? z.output<S> : undefined;
type Handled<A> = A extends { kind: 'json'; schema: z.ZodType<infer T> }
  ? Promise<T>
  : A extends { kind: 'lines'; schema: z.ZodType<infer T> }
    ? Promise<AsyncIterable<T>>
    : A extends { kind: 'file' }
      ? Promise<FileAnswer>
      : A extends { kind: 'redirect' }
        ? Promise<string>
        : A extends { kind: 'events' }
          ? Promise<EventsAnswer>
          : Promise<void>;

/** What to follow, and for whom. */
export interface EventsAnswer {
  readonly topics: readonly string[];
}

interface Given<P, Q, B, A> {
  readonly name: string;
  readonly method: Method;
  readonly path: string;
  readonly subject: string;
  readonly summary: string;
  readonly description?: string;
  readonly right: Right | 'open';
  readonly params?: P;
  readonly query?: Q;
  readonly filters?: FilterNames;
  readonly body?: B;
  readonly answer: A;
  /** How to answer from the id of what was made; `secret` where that cannot be. */
  readonly creates?: 'secret' | ((call: Call<Output<P>, Output<Q>, Output<B>>, id: string) => Handled<A>);
  readonly stepwise?: boolean;
  readonly versioned?: boolean;
  readonly fixed?: Readonly<Record<string, string>>;
  readonly bodyFields?: BodyFields;
  readonly takesDocument?: boolean;
  handle(call: Call<Output<P>, Output<Q>, Output<B>>): Handled<A>;
}

export function route<
  P extends z.ZodType | undefined = undefined,
  Q extends z.ZodType | undefined = undefined,
  B extends z.ZodType | undefined = undefined,
  const A extends Answer = Answer,
>(given: Given<P, Q, B, A>): Route {
  return {
    ...given,
    params: given.params ?? null,
    query: given.query ?? null,
    body: given.body ?? null,
    filters: given.filters ?? null,
    creates: given.creates !== undefined,
    again: typeof given.creates === 'function' ? (given.creates as unknown as Route['again']) : null,
    secretAnswer: given.creates === 'secret',
    stepwise: given.stepwise ?? false,
    versioned: given.versioned ?? false,
    fixed: given.fixed ?? {},
    bodyFields: given.bodyFields ?? {},
    takesDocument: given.takesDocument ?? false,
    handle: given.handle as unknown as Route['handle'],
  };
}

export function json<T>(schema: z.ZodType<T>, description: string) {
  return { kind: 'json', schema, description } as const;
}

export function lines<T>(schema: z.ZodType<T>, description: string) {
  return { kind: 'lines', schema, description } as const;
}

export const NOTHING = { kind: 'none', description: 'Done.' } as const;
