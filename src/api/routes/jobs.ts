/** Projects and jobs. */
import { z } from 'zod';
import { FILTERS } from '../../control/filters.ts';
import { pageOf, toListQuery } from '../wire/common.ts';
import { changeDescription } from '../wire/connectors.ts';
import {
  changeJob,
  concessions,
  createProject,
  duplicateInput,
  grantInput,
  job,
  jobInput,
  outcomesInput,
  preflight,
  preflightInput,
  project,
  jobRemoval,
  removal,
} from '../wire/jobs.ts';
import { whatCanGo } from '../wire/records.ts';
import { byId, forgetting, list } from './common.ts';
import { json, NOTHING, route, type Route } from './route.ts';

const projects: readonly Route[] = [
  route({
    name: 'listProjects',
    method: 'GET',
    path: '/projects',
    subject: 'Projects',
    summary: 'All projects',
    right: 'read',
    query: list,
    filters: FILTERS.projects,
    answer: json(pageOf('Project', project), 'A page.'),
    handle: ({ actor, services, query }) => services.projects.list(actor, toListQuery(query)),
  }),
  route({
    name: 'createProject',
    method: 'POST',
    path: '/projects',
    subject: 'Projects',
    summary: 'Make a project',
    right: 'define',
    body: createProject,
    creates: ({ actor, services }, id) => services.projects.get(actor, id),
    answer: json(project, 'The project.'),
    handle: ({ actor, services, body }) => services.projects.create(actor, body),
  }),
  route({
    name: 'getProject',
    method: 'GET',
    path: '/projects/{id}',
    subject: 'Projects',
    summary: 'One project',
    right: 'read',
    params: byId,
    answer: json(project, 'The project.'),
    handle: ({ actor, services, params }) => services.projects.get(actor, params.id),
  }),
  route({
    name: 'updateProject',
    method: 'PATCH',
    path: '/projects/{id}',
    subject: 'Projects',
    summary: 'Change the description; the name is fixed',
    right: 'define',
    params: byId,
    body: changeDescription,
    versioned: true,
    fixed: { name: 'Definitions and reports refer to a project by its name.' },
    answer: json(project, 'The project.'),
    handle: ({ actor, services, params, version, body }) => services.projects.update(actor, params.id, version, body),
  }),
  route({
    name: 'getProjectRemoval',
    method: 'GET',
    path: '/projects/{id}/removal',
    subject: 'Projects',
    summary: 'What deleting it would take along',
    right: 'read',
    params: byId,
    answer: json(removal, 'Counts.'),
    handle: ({ actor, services, params }) => services.projects.removal(actor, params.id),
  }),
  route({
    name: 'removeProject',
    method: 'DELETE',
    path: '/projects/{id}',
    subject: 'Projects',
    summary: 'Delete a project with its jobs, their history and results; endpoints stay',
    right: 'define',
    params: byId,
    query: forgetting.extend({
      expectedJobs: z.coerce
        .number()
        .int()
        .nonnegative()
        .describe('As shown to the person; refused when it is another.'),
    }),
    versioned: true,
    answer: NOTHING,
    handle: ({ actor, services, params, version, query }) =>
      services.projects.remove(actor, params.id, version, query.expectedJobs, {
        forgetUploads: query.forgetUploads === 'true',
      }),
  }),
];

const FIXED_ENDS =
  'What was moved and what is left is known for this source and this target only; make another job instead.';

const jobs: readonly Route[] = [
  route({
    name: 'listJobs',
    method: 'GET',
    path: '/jobs',
    subject: 'Jobs',
    summary: 'Jobs of all projects',
    right: 'read',
    query: list,
    filters: FILTERS.jobs,
    answer: json(pageOf('Job', job), 'A page.'),
    handle: ({ actor, services, query }) => services.jobs.list(actor, toListQuery(query)),
  }),
  route({
    name: 'createJob',
    method: 'POST',
    path: '/projects/{id}/jobs',
    subject: 'Jobs',
    summary: 'Make a job in a project',
    right: 'define',
    params: byId,
    body: jobInput,
    creates: ({ actor, services }, id) => services.jobs.get(actor, id),
    answer: json(job, 'The job.'),
    handle: ({ actor, services, params, body }) => services.jobs.create(actor, params.id, body),
  }),
  route({
    name: 'getJob',
    method: 'GET',
    path: '/jobs/{id}',
    subject: 'Jobs',
    summary: 'One job',
    right: 'read',
    params: byId,
    answer: json(job, 'The job.'),
    handle: ({ actor, services, params }) => services.jobs.get(actor, params.id),
  }),
  route({
    name: 'updateJob',
    method: 'PATCH',
    path: '/jobs/{id}',
    subject: 'Jobs',
    summary: 'Change name, description, settings or tuning',
    description: 'Settings hold for the next run.',
    right: 'define',
    params: byId,
    body: changeJob,
    versioned: true,
    fixed: {
      sourceEndpointId: FIXED_ENDS,
      sourceSubPath: FIXED_ENDS,
      targetEndpointId: FIXED_ENDS,
      targetSubPath: FIXED_ENDS,
      projectId: 'A job stays in its project; duplicate it into another one instead.',
    },
    answer: json(job, 'The job.'),
    handle: ({ actor, services, params, version, body }) => services.jobs.update(actor, params.id, version, body),
  }),
  route({
    name: 'getJobRemoval',
    method: 'GET',
    path: '/jobs/{id}/removal',
    subject: 'Jobs',
    summary: 'What deleting it would take along',
    right: 'read',
    params: byId,
    answer: json(jobRemoval, 'Counts.'),
    handle: ({ actor, services, params }) => services.jobs.removal(actor, params.id),
  }),
  route({
    name: 'removeJob',
    method: 'DELETE',
    path: '/jobs/{id}',
    subject: 'Jobs',
    summary: 'Delete a job with its history, its schedules and results',
    right: 'define',
    params: byId,
    query: forgetting.extend({
      expectedRuns: z.coerce
        .number()
        .int()
        .nonnegative()
        .optional()
        .describe('As shown to the person; refused when it is another. Left out: whatever they are.'),
    }),
    versioned: true,
    answer: NOTHING,
    handle: ({ actor, services, params, version, query }) =>
      services.jobs.remove(actor, params.id, version, {
        forgetUploads: query.forgetUploads === 'true',
        expectedRuns: query.expectedRuns,
      }),
  }),
  route({
    name: 'duplicateJob',
    method: 'POST',
    path: '/jobs/{id}/duplicate',
    subject: 'Jobs',
    summary: 'Make another job like it',
    right: 'define',
    params: byId,
    body: duplicateInput,
    creates: ({ actor, services }, id) => services.jobs.get(actor, id),
    answer: json(job, 'The new job.'),
    handle: ({ actor, services, params, body }) => services.jobs.duplicate(actor, params.id, body),
  }),
  route({
    name: 'getOutcomes',
    method: 'POST',
    path: '/jobs/outcomes',
    subject: 'Jobs',
    summary: 'What will not survive between two endpoints',
    right: 'read',
    body: outcomesInput,
    answer: json(concessions, 'For this very pair and these settings.'),
    handle: ({ actor, services, body }) => services.jobs.outcomes(actor, body),
  }),
  route({
    name: 'checkJob',
    method: 'POST',
    path: '/jobs/{id}/preflight',
    subject: 'Jobs',
    summary: 'Check the permissions on both sides, estimate, warn',
    right: 'run',
    params: byId,
    body: preflightInput,
    answer: json(preflight, 'Whether it could start, and what to grant.'),
    handle: ({ actor, services, params, body, signal }) =>
      services.jobs.preflight(actor, params.id, { count: body.count ?? false, kind: body.kind }, signal),
  }),
  route({
    name: 'grantRole',
    method: 'POST',
    path: '/jobs/{id}/grants',
    subject: 'Jobs',
    summary: 'Assign the missing role where Drover may, and wait until it works',
    right: 'connector-change',
    params: byId,
    body: grantInput,
    answer: json(preflight, 'How it is now.'),
    handle: ({ actor, services, params, body, signal }) => services.jobs.grant(actor, params.id, body.side, signal),
  }),
  route({
    name: 'getWhatCanGo',
    method: 'GET',
    path: '/jobs/{id}/what-can-go',
    subject: 'Jobs',
    summary: 'What of the source is not needed any more',
    description: 'Only after a clean validation.',
    right: 'read',
    params: byId,
    answer: json(whatCanGo, 'With the exact commands.'),
    handle: ({ actor, services, params }) => services.reports.whatCanGo(actor, params.id),
  }),
];

export const jobRoutes: readonly Route[] = [...projects, ...jobs];
