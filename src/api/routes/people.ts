/** People, their tokens, and what everybody did. */
import { auditLine, workers } from '../wire/records.ts';
import { pageOf, toListQuery } from '../wire/common.ts';
import { changePerson, createPerson, createToken, madeToken, person, token } from '../wire/people.ts';
import { byId, list, logFile, logFileAnswer } from './common.ts';
import { json, NOTHING, route, type Route } from './route.ts';

const people: readonly Route[] = [
  route({
    name: 'listPeople',
    method: 'GET',
    path: '/people',
    subject: 'People',
    summary: 'Who can sign in',
    right: 'people',
    query: list,
    filters: ['role', 'state', 'signIn', 'email'],
    answer: json(pageOf('Person', person), 'A page.'),
    handle: ({ actor, services, query }) => services.people.list(actor, toListQuery(query)),
  }),
  route({
    name: 'createPerson',
    method: 'POST',
    path: '/people',
    subject: 'People',
    summary: 'Add a person',
    right: 'people',
    body: createPerson,
    creates: ({ actor, services }, id) => services.people.get(actor, id),
    answer: json(person, 'The person.'),
    handle: ({ actor, services, body }) => services.people.create(actor, body),
  }),
  route({
    name: 'getPerson',
    method: 'GET',
    path: '/people/{id}',
    subject: 'People',
    summary: 'One person',
    right: 'people',
    params: byId,
    answer: json(person, 'The person.'),
    handle: ({ actor, services, params }) => services.people.get(actor, params.id),
  }),
  route({
    name: 'updatePerson',
    method: 'PATCH',
    path: '/people/{id}',
    subject: 'People',
    summary: 'Change name, role, state or password',
    description: 'The last active admin can neither be disabled nor lowered.',
    right: 'people',
    params: byId,
    body: changePerson,
    versioned: true,
    fixed: { email: 'The e-mail address is what a person is known by.' },
    answer: json(person, 'The person.'),
    handle: ({ actor, services, params, version, body }) => services.people.update(actor, params.id, version, body),
  }),
  route({
    name: 'removePerson',
    method: 'DELETE',
    path: '/people/{id}',
    subject: 'People',
    summary: 'Remove a person with their sessions and tokens',
    right: 'people',
    params: byId,
    versioned: true,
    answer: NOTHING,
    handle: ({ actor, services, params, version }) => services.people.remove(actor, params.id, version),
  }),
];

const tokens: readonly Route[] = [
  route({
    name: 'listTokens',
    method: 'GET',
    path: '/tokens',
    subject: 'Tokens',
    summary: 'Own tokens; an admin sees those of all',
    right: 'own-account',
    query: list,
    filters: ['personId', 'role'],
    answer: json(pageOf('Token', token), 'A page.'),
    handle: ({ actor, services, query }) => services.tokens.list(actor, toListQuery(query)),
  }),
  route({
    name: 'createToken',
    method: 'POST',
    path: '/tokens',
    subject: 'Tokens',
    summary: 'Make a token',
    description: 'Its secret is in this answer and nowhere else.',
    right: 'own-account',
    body: createToken,
    creates: 'secret',
    answer: json(madeToken, 'The token and its secret.'),
    handle: ({ actor, services, body }) => services.tokens.create(actor, body),
  }),
  route({
    name: 'removeToken',
    method: 'DELETE',
    path: '/tokens/{id}',
    subject: 'Tokens',
    summary: 'End a token',
    right: 'own-account',
    params: byId,
    answer: NOTHING,
    handle: ({ actor, services, params }) => services.tokens.remove(actor, params.id),
  }),
];

const others: readonly Route[] = [
  route({
    name: 'listAudit',
    method: 'GET',
    path: '/audit',
    subject: 'Server',
    summary: 'Who did what to what',
    right: 'audit',
    query: list,
    filters: ['action', 'entityKind', 'entityId', 'personId'],
    answer: json(pageOf('AuditLine', auditLine), 'A page.'),
    handle: ({ actor, services, query }) => services.logs.audit(actor, toListQuery(query)),
  }),
  route({
    name: 'downloadAudit',
    method: 'GET',
    path: '/audit/content',
    subject: 'Server',
    summary: 'The audit log as a file',
    right: 'audit',
    query: logFile,
    filters: ['action', 'entityKind', 'entityId', 'personId'],
    answer: { kind: 'file', description: 'CSV or NDJSON, as it is read.' },
    async handle({ actor, services, query }) {
      const { format = 'csv', ...rest } = query;
      return logFileAnswer('audit', format, await services.logs.auditFile(actor, format, rest));
    },
  }),
  route({
    name: 'listWorkers',
    method: 'GET',
    path: '/workers',
    subject: 'Server',
    summary: 'The processes that work on runs',
    right: 'read',
    answer: json(workers, 'All of them.'),
    handle: ({ actor, services }) => services.fleet.list(actor),
  }),
  route({
    name: 'drainWorker',
    method: 'POST',
    path: '/workers/{id}/drain',
    subject: 'Server',
    summary: 'Let a worker end what it has begun, and no more',
    right: 'fleet',
    params: byId,
    answer: NOTHING,
    handle: ({ actor, services, params }) => services.fleet.drain(actor, params.id),
  }),
];

export const peopleRoutes: readonly Route[] = [...people, ...tokens, ...others];
