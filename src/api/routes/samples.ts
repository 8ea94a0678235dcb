/** Sample data, for trying Drover. */
import { samples } from '../wire/records.ts';
import { json, NOTHING, route, type Route } from './route.ts';

export const sampleRoutes: readonly Route[] = [
  route({
    name: 'getSamples',
    method: 'GET',
    path: '/samples',
    subject: 'Samples',
    summary: 'The sample data, where there is some',
    right: 'read',
    answer: json(samples, 'What was made.'),
    handle: ({ actor, services }) => services.samples.get(actor),
  }),
  route({
    name: 'createSamples',
    method: 'POST',
    path: '/samples',
    subject: 'Samples',
    summary: 'Make sample data: a folder of the server with some hundred files, and a job that copies them',
    description: 'For trying Drover without an account. DELETE takes all of it away again.',
    right: 'connector-change',
    creates: ({ actor, services }) => services.samples.get(actor),
    answer: json(samples, 'What was made.'),
    handle: ({ actor, services, signal }) => services.samples.create(actor, signal),
  }),
  route({
    name: 'removeSamples',
    method: 'DELETE',
    path: '/samples',
    subject: 'Samples',
    summary: 'Take the sample data away, with its folder, project, job and runs',
    right: 'connector-change',
    answer: NOTHING,
    handle: ({ actor, services }) => services.samples.remove(actor),
  }),
];
