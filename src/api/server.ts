/** The HTTP server: what every request has in common. Routes are data, see routes/all.ts. */
import cookie from '@fastify/cookie';
import helmet from '@fastify/helmet';
import Fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { demand } from '../control/people/roles.ts';
import { SYSTEM } from '../control/entities.ts';
import { NO_TRACING, placeFromHeader, type Span } from '../lib/tracing.ts';
import { DroverError, toDroverError } from '../model/errors.ts';
import { jsonAnswer, sendFile, sendJson, sendLines, sendProblem } from './answers.ts';
import { openHub, type Hub } from './events/hub.ts';
import { openSeats, type Seats } from './events/seats.ts';
import { streamEvents } from './events/stream.ts';
import { findCaller, refuseForeignHost, refuseOtherSites, refuseWithoutCsrfToken, type Caller } from './guards.ts';
import { inBody } from './body-fields.ts';
import { takeNoBody } from './bodies.ts';
import { lasting, refuseShutOut, sometimes } from './lasting.ts';
import { checkInputs, type RawInputs } from './inputs.ts';
import { once, refuseKey, stepsOf, type Work } from './once.ts';
import { openApiText } from './openapi.ts';
import { watchProxies } from './proxies.ts';
import { API_BASE, ROUTES } from './routes/all.ts';
import type { Call, EventsAnswer, FileAnswer, Route } from './routes/route.ts';
import { servePages } from './static.ts';
import type { Api, ApiWorld } from './world.ts';

export type { Api, ApiSettings, ApiWorld, ReadyReport } from './world.ts';

const CLOSE_MS_MAX = 10_000;
const HEADERS_MS_MAX = 30_000;
/** For sending the request; the answer may take as long as it takes. */
const REQUEST_MS_MAX = 60_000;
/** Of whoever is not signed in: forms of a few fields. */
const OPEN_BODY_BYTES_MAX = 16 * 1024;
/** Definitions of 100,000 jobs, as an export writes them. */
const DOCUMENT_BYTES_MAX = 64 * 1024 * 1024;

/** What every request shares beside the world. */
interface Desk {
  readonly world: ApiWorld;
  readonly hub: Hub;
  readonly seats: Seats;
  /** Fires when the server closes. */
  readonly closing: AbortSignal;
}

export async function openApi(world: ApiWorld): Promise<Api> {
  const closer = new AbortController();
  const hub = openHub(world);
  const desk: Desk = { world, hub, seats: openSeats(), closing: closer.signal };
  const app = Fastify({
    bodyLimit: world.settings.bodyBytesMax,
    trustProxy: world.settings.trustedProxies.length === 0 ? false : [...world.settings.trustedProxies],
    genReqId: () => Buffer.from(world.random.bytes(9)).toString('base64url'),
    http: { headersTimeout: HEADERS_MS_MAX },
    requestTimeout: REQUEST_MS_MAX,
    forceCloseConnections: true,
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength: 1_024 },
  });
  await prepare(app, desk);
  for (const route of ROUTES) register(app, desk, route);
  registerOthers(app, desk);
  await servePages(app, world.staticFolder);
  await app.ready();
  return {
    async listen(host, port) {
      await app.listen({ host, port });
      return { url: urlOf(app, host) };
    },
    async close() {
      closer.abort();
      hub.close();
      // Whoever does not read its answer to the end does not keep the server open.
      const patience = new AbortController();
      const late = world.clock
        .sleep(CLOSE_MS_MAX, patience.signal)
        .then(() => app.server.closeAllConnections())
        .catch(() => undefined);
      await app.close();
      patience.abort();
      await late;
    },
  };
}

function urlOf(app: FastifyInstance, host: string): string {
  const address = app.server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

async function prepare(app: FastifyInstance, { world }: Desk): Promise<void> {
  takeNoBody(app);
  await app.register(cookie);
  await app.register(helmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'self'"],
        baseUri: ["'none'"],
        connectSrc: ["'self'"],
        fontSrc: ["'self'", 'data:'],
        formAction: ["'self'"],
        frameAncestors: ["'none'"],
        imgSrc: ["'self'", 'data:'],
        objectSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'", "'unsafe-inline'"],
      },
    },
    frameguard: { action: 'deny' },
    referrerPolicy: { policy: 'no-referrer' },
    // Ignored by browsers over plain HTTP, and right behind HTTPS.
    hsts: { maxAge: 180 * 24 * 3_600, includeSubDomains: false },
  });
  const noteProxy = watchProxies(world);
  app.addHook('onRequest', async (request, reply) => {
    noteProxy(request);
    void reply.header('x-request-id', request.id);
    if (request.url.startsWith('/api/')) void reply.header('cache-control', 'no-store');
    refuseForeignHost(world, request);
  });
  app.addHook('onResponse', async (request, reply) => {
    // Never headers, queries or bodies: they hold secrets.
    const isLoud = reply.statusCode >= 500 ? 'warn' : request.method === 'GET' ? 'debug' : 'info';
    world.log(isLoud, 'request', {
      requestId: request.id,
      method: request.method,
      path: request.routeOptions.url ?? 'none',
      status: reply.statusCode,
      durationMs: Math.round(reply.elapsedTime),
      address: request.ip,
    });
  });
  app.setErrorHandler((thrown: FastifyError, request, reply) => {
    const error = asOurs(thrown);
    if (error.code === 'INTERNAL') {
      const cause = error.cause instanceof Error ? error.cause : error;
      world.log('error', 'A request failed unexpectedly.', {
        requestId: request.id,
        path: request.routeOptions.url ?? 'none',
        error: error.message,
        stack: cause.stack ?? '',
      });
    }
    return sendProblem(reply, error, request.id);
  });
  app.setNotFoundHandler((request, reply) =>
    sendProblem(reply, new DroverError('ENTITY_NOT_FOUND', 'There is nothing at this address.'), request.id),
  );
}

/** SQLSTATE class 22: text with a NUL, a moment out of range, a cursor made up by hand. */
function isDataException(thrown: unknown): thrown is Error {
  return thrown instanceof Error && /^22\w{3}$/.test(String((thrown as { code?: unknown }).code));
}

/** What Fastify and the database refuse by themselves, in our words. */
function asOurs(thrown: FastifyError): DroverError {
  switch (thrown.code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new DroverError('TOO_LARGE', 'The body of the request is larger than this server takes.', {
        remedy: 'Send less at once, or have the administrator raise DROVER_BODY_BYTES_MAX.',
      });
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new DroverError(
        'INVALID_INPUT',
        'The body of the request is not marked as JSON, and nothing else is taken.',
        {
          remedy: 'Send JSON with the header Content-Type: application/json.',
        },
      );
    case 'FST_ERR_CTP_INVALID_JSON_BODY':
      return new DroverError('INVALID_INPUT', 'The body of the request is not valid JSON, so nothing of it was read.', {
        remedy: 'Look for missing quotes, commas and brackets; a JSON checker finds the place.',
      });
    default: {
      const unstorable = [thrown, thrown.cause].find(isDataException);
      if (unstorable !== undefined) {
        const words = `The request holds a value that the database cannot hold: ${unstorable.message}.`;
        return new DroverError('INVALID_INPUT', words, { cause: thrown });
      }
      const isTheirs = (thrown.statusCode ?? 500) < 500 && !(thrown instanceof DroverError);
      return isTheirs ? new DroverError('INVALID_INPUT', thrown.message) : toDroverError(thrown);
    }
  }
}

const CALLER = Symbol('caller');
type WithCaller = FastifyRequest & { [CALLER]?: Caller };

function bodyLimitOf({ right, takesDocument }: Route, bodyBytesMax: number): number {
  if (right === 'open') return Math.min(OPEN_BODY_BYTES_MAX, bodyBytesMax);
  return takesDocument ? Math.max(DOCUMENT_BYTES_MAX, bodyBytesMax) : bodyBytesMax;
}

/** Who may not do it is refused before the body is read. */
function register(app: FastifyInstance, desk: Desk, route: Route): void {
  const { bodyBytesMax } = desk.world.settings;
  app.route({
    method: route.method,
    bodyLimit: bodyLimitOf(route, bodyBytesMax),
    url: API_BASE + route.path.replaceAll(/\{(\w+)\}/g, ':$1'),
    async onRequest(request, reply) {
      beginSpan(desk.world, route, request, reply);
      (request as WithCaller)[CALLER] = await admit(desk.world, route, request, reply);
    },
    async handler(request, reply) {
      const caller = (request as WithCaller)[CALLER] as Caller;
      await refuseShutOut(route, caller, request);
      const work = (): Promise<void> =>
        answer(desk, route, caller, request, reply).catch((thrown: unknown) => {
          throw inBody(route, request.body, thrown);
        });
      const span = (request as WithSpan)[SPAN];
      await (span === undefined ? work() : (desk.world.tracing ?? NO_TRACING).within(span, work));
      return reply;
    },
  });
}

const SPAN = Symbol('span');
type WithSpan = FastifyRequest & { [SPAN]?: Span };

/** Method, route and status: never the address with what is in it, headers or bodies. Live streams have no end. */
function beginSpan({ tracing }: ApiWorld, route: Route, request: FastifyRequest, { raw: reply }: FastifyReply): void {
  if (tracing === undefined || route.answer.kind === 'events') return;
  const path = API_BASE + route.path;
  const span = tracing.begin(`${route.method} ${path}`, {
    isRequest: true,
    parent: placeFromHeader(textOf(request.headers['traceparent'])),
    attributes: { 'http.request.method': route.method, 'http.route': path, 'drover.request.id': request.id },
  });
  (request as WithSpan)[SPAN] = span;
  reply.once('close', () => {
    const { statusCode: status } = reply;
    span.set({ 'http.response.status_code': status });
    span.end(status >= 500 ? String(status) : null);
  });
}

function textOf(header: string | string[] | undefined): string | undefined {
  return typeof header === 'string' ? header : undefined;
}

async function admit(world: ApiWorld, route: Route, request: FastifyRequest, reply: FastifyReply): Promise<Caller> {
  const caller = await findCaller(world, request, reply);
  const changes = route.method !== 'GET';
  const isBrowser = caller.visit.sessionSecret !== null || route.right === 'open';
  if (changes && isBrowser) refuseOtherSites(world, request);
  if (route.right === 'open') return caller;
  if (caller.actor === null) throw new DroverError('NOT_SIGNED_IN', 'Nobody is signed in.');
  if (changes && caller.visit.sessionSecret !== null) refuseWithoutCsrfToken(request, caller.visit);
  demand(caller.actor, route.right);
  return caller;
}

async function answer(
  desk: Desk,
  route: Route,
  caller: Caller,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> {
  const { world, hub, closing } = desk;
  const key = request.headers['idempotency-key'];
  refuseKey(route, key);
  const inputs = checkInputs(route, {
    params: request.params,
    query: request.query as RawInputs['query'],
    body: request.body,
  });
  const gone = new AbortController();
  reply.raw.once('close', () => gone.abort());
  const signal = AbortSignal.any([closing, gone.signal]);
  const actor = caller.actor ?? { ...SYSTEM, role: 'viewer' as const, kind: 'person' as const, name: 'Nobody' };
  const version = route.versioned ? versionOf(request.headers['if-match']) : null;
  const call: Call<unknown, unknown, unknown> = {
    ...inputs,
    actor,
    version,
    signal,
    services: world.services,
    world,
    visit: caller.visit,
    steps:
      route.stepwise && typeof key === 'string'
        ? stepsOf(world, { route, actor, key, request: inputs, signal })
        : undefined,
  };
  switch (route.answer.kind) {
    case 'json': {
      const { schema } = route.answer;
      const shown = (value: unknown) => jsonAnswer(route, world.checkAnswers === true ? schema.parse(value) : value);
      const isOnce = route.creates && typeof key === 'string';
      if (!isOnce) return void sendJson(reply, shown(await route.handle(call)));
      const work: Work = {
        make: async (own) => shown(await route.handle({ ...call, actor: { ...actor, request: own } })),
        again: async (id) => shown(await route.again?.(call, id)),
      };
      void sendJson(reply, await once(world, { route, actor, key, request: inputs, signal }, work));
      return;
    }
    case 'none':
      await route.handle(call);
      void reply.code(204).send();
      return;
    case 'redirect':
      void reply.redirect((await route.handle(call)) as string, 302);
      return;
    case 'lines': {
      const values = lasting(world, caller, (await route.handle(call)) as AsyncIterable<unknown>);
      await sendLines(reply, checked(world, route.answer.schema, values), request.id);
      return;
    }
    case 'file': {
      const file = (await route.handle(call)) as FileAnswer;
      await sendFile(request, reply, { ...file, content: lasting(world, caller, file.content) });
      return;
    }
    case 'events': {
      const { topics } = (await route.handle(call)) as EventsAnswer;
      const leave = desk.seats.take(actor.personId ?? actor.name);
      const { stillThere, visit } = caller;
      for (const [name, value] of Object.entries(reply.getHeaders())) {
        if (value !== undefined) reply.raw.setHeader(name, value);
      }
      reply.hijack();
      const { clock } = world;
      const stream = { hub, clock, topics, lastEventId: visit.lastEventId, signal, stillThere };
      await streamEvents(reply.raw, stream).finally(leave);
    }
  }
}

async function* checked(world: ApiWorld, schema: z.ZodType, values: AsyncIterable<unknown>): AsyncGenerator<unknown> {
  for await (const value of values) yield world.checkAnswers === true ? schema.parse(value) : value;
}

/** From `If-Match: "7"`; without it, or with `*`, whatever it is now. */
function versionOf(header: string | undefined): number | null {
  if (header === undefined || header.trim() === '*') return null;
  const version = /^(?:W\/)?"(\d+)"$/.exec(header.trim())?.[1];
  if (version !== undefined) return Number(version);
  throw new DroverError('INVALID_INPUT', 'If-Match: give the ETag of the answer that was seen, such as "7".', {
    field: 'If-Match',
  });
}

function registerOthers(app: FastifyInstance, { world }: Desk): void {
  // Made when it is first asked for: most servers never are, and all want to start quickly.
  let document: string | null = null;
  const ready = sometimes(world);
  const behind = (right: 'read' | 'metrics') => async (request: FastifyRequest, reply: FastifyReply) => {
    const { actor } = await findCaller(world, request, reply);
    if (actor === null) throw new DroverError('NOT_SIGNED_IN', 'Nobody is signed in.');
    demand(actor, right);
  };
  app.get('/healthz', { exposeHeadRoute: true }, async (_request, reply) => reply.type('text/plain').send('ok\n'));
  app.get('/readyz', { exposeHeadRoute: true }, async (_request, reply) => {
    const report = await ready();
    // Names and states only: details may tell of the inside, and nobody is signed in here.
    const parts = report.parts.map(({ name, ok }) => ({ name, ok }));
    return reply.code(report.ready ? 200 : 503).send({ ready: report.ready, parts });
  });
  app.get('/metrics', { onRequest: behind('metrics') }, async (_request, reply) =>
    reply.type('text/plain; version=0.0.4; charset=utf-8').send(await world.metrics()),
  );
  app.get(`${API_BASE}/openapi.json`, { onRequest: behind('read') }, async (_request, reply) =>
    reply.type('application/json; charset=utf-8').send((document ??= openApiText(world.programVersion))),
  );
}
