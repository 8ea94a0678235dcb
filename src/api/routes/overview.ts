/** The first page, and what somebody has taken off it. */
import { FILTERS } from '../../control/filters.ts';
import { pageOf, toListQuery } from '../wire/common.ts';
import { dismissal, dismissInput, overview } from '../wire/runs.ts';
import { byId, list } from './common.ts';
import { json, NOTHING, route, type Route } from './route.ts';

export const overviewRoutes: readonly Route[] = [
  route({
    name: 'getOverview',
    method: 'GET',
    path: '/overview',
    subject: 'Runs',
    summary: 'What needs attention, what is going on, what comes next',
    right: 'read',
    answer: json(overview, 'As of now.'),
    handle: ({ actor, services }) => services.overview(actor),
  }),
  route({
    name: 'listDismissals',
    method: 'GET',
    path: '/overview/dismissals',
    subject: 'Runs',
    summary: 'What was taken off the overview, and by whom; the newest first',
    right: 'read',
    query: list,
    filters: FILTERS.dismissals,
    answer: json(pageOf('Dismissal', dismissal), 'A page.'),
    handle: ({ actor, services, query }) => services.dismissals.list(actor, toListQuery(query)),
  }),
  route({
    name: 'dismiss',
    method: 'POST',
    path: '/overview/dismissals',
    subject: 'Runs',
    summary: 'Take an entry off the overview; it comes back when something new happens',
    description: 'Once more changes nothing.',
    right: 'dismiss',
    body: dismissInput,
    answer: json(dismissal, 'As it was dismissed.'),
    handle: ({ actor, services, body }) => services.dismissals.create(actor, body),
  }),
  route({
    name: 'getDismissal',
    method: 'GET',
    path: '/overview/dismissals/{id}',
    subject: 'Runs',
    summary: 'One of them',
    right: 'read',
    params: byId,
    answer: json(dismissal, 'As it was dismissed.'),
    handle: ({ actor, services, params }) => services.dismissals.get(actor, params.id),
  }),
  route({
    name: 'removeDismissal',
    method: 'DELETE',
    path: '/overview/dismissals/{id}',
    subject: 'Runs',
    summary: 'List it again, if it still needs somebody',
    right: 'dismiss',
    params: byId,
    answer: NOTHING,
    handle: ({ actor, services, params }) => services.dismissals.remove(actor, params.id),
  }),
];
