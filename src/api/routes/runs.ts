/** Runs and what is kept about them. */
import { z } from 'zod';
import { pageOf, toListQuery } from '../wire/common.ts';
import { artifact, artifactInput, artifacts, codeCounts, runItemsPage, runLogLine } from '../wire/records.ts';
import { bulkInput, changedCount, mapCells, overview, run, runSegment, runSnapshot, startRun } from '../wire/runs.ts';
import { byId, byRunId, list } from './common.ts';
import { json, route, type Route } from './route.ts';

const ACTIONS = {
  pause: 'Pause it; what it has begun it ends',
  resume: 'Let it go on',
  cancel: 'Cancel it for good',
} as const;

const MEDIA_TYPES = {
  'copy-log-csv': 'text/csv; charset=utf-8',
  'copy-log-ndjson': 'application/gzip',
  'report-html': 'text/html; charset=utf-8',
  'report-json': 'application/json',
  manifest: 'application/json',
} as const;

const states: readonly Route[] = [
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
    name: 'listRuns',
    method: 'GET',
    path: '/runs',
    subject: 'Runs',
    summary: 'Runs of all jobs, newest first',
    right: 'read',
    query: list,
    filters: ['id', 'state', 'kind', 'trigger', 'projectId', 'jobId', 'connectorId', 'from', 'to'],
    answer: json(pageOf('Run', run), 'A page.'),
    handle: ({ actor, services, query }) => services.runs.list(actor, toListQuery(query)),
  }),
  route({
    name: 'startRun',
    method: 'POST',
    path: '/jobs/{id}/runs',
    subject: 'Runs',
    summary: 'Start a run of a job',
    description: 'Checks the permissions on both sides first. It may wait in the queue.',
    right: 'run',
    params: byId,
    body: startRun,
    creates: ({ actor, services }, id) => services.runs.get(actor, id),
    answer: json(run, 'The run.'),
    handle: ({ actor, services, params, body, signal }) =>
      services.runs.start(actor, params.id, { ...body, trigger: actor.kind === 'token' ? 'token' : 'person' }, signal),
  }),
  route({
    name: 'getRun',
    method: 'GET',
    path: '/runs/{id}',
    subject: 'Runs',
    summary: 'One run',
    right: 'read',
    params: byRunId,
    answer: json(run, 'The run.'),
    handle: ({ actor, services, params }) => services.runs.get(actor, params.id),
  }),
  ...(['pause', 'resume', 'cancel'] as const).map((action) =>
    route({
      name: `${action}Run`,
      method: 'POST',
      path: `/runs/{id}/${action}`,
      subject: 'Runs',
      summary: ACTIONS[action],
      right: 'run',
      params: byRunId,
      answer: json(run, 'The run.'),
      handle: ({ actor, services, params }) => services.runs[action](actor, params.id),
    }),
  ),
  route({
    name: 'changeRuns',
    method: 'POST',
    path: '/runs/actions',
    subject: 'Runs',
    summary: 'Pause, resume or cancel many runs',
    right: 'run',
    body: bulkInput,
    answer: json(changedCount, 'How many.'),
    handle: ({ actor, services, body }) =>
      services.runs.bulk(actor, body.action, {
        filter: body.filter,
        except: body.except ?? [],
        expectedCount: body.expectedCount,
      }),
  }),
];

const details: readonly Route[] = [
  route({
    name: 'getRunSnapshot',
    method: 'GET',
    path: '/runs/{id}/snapshot',
    subject: 'Runs',
    summary: 'What it was started with',
    right: 'read',
    params: byRunId,
    answer: json(runSnapshot, 'Settings, places, tuning.'),
    handle: ({ actor, services, params }) => services.runs.snapshot(actor, params.id),
  }),
  route({
    name: 'listSegments',
    method: 'GET',
    path: '/runs/{id}/segments',
    subject: 'Runs',
    summary: 'Its ranges of keys, and who works on them',
    right: 'read',
    params: byRunId,
    query: list,
    filters: ['state', 'kind'],
    answer: json(pageOf('RunSegment', runSegment), 'A page.'),
    handle: ({ actor, services, params, query }) => services.runs.segments(actor, params.id, toListQuery(query)),
  }),
  route({
    name: 'getRunMap',
    method: 'GET',
    path: '/runs/{id}/map',
    subject: 'Runs',
    summary: 'The space of keys in equal shares',
    right: 'read',
    params: byRunId,
    query: z.object({ cells: z.coerce.number().int().min(1).max(2_000).optional().describe('240 unless given.') }),
    answer: json(mapCells, 'In key order.'),
    handle: ({ actor, services, params, query }) => services.runs.map(actor, params.id, query.cells ?? 240),
  }),
  route({
    name: 'listRunItems',
    method: 'GET',
    path: '/runs/{id}/items',
    subject: 'Logs',
    summary: 'Failed and unsupported items',
    description: 'The first 100,000; the copy log to download has all.',
    right: 'read',
    params: byRunId,
    query: list,
    filters: ['result', 'code'],
    answer: json(runItemsPage, 'A page.'),
    handle: ({ actor, services, params, query }) => services.logs.items(actor, params.id, toListQuery(query)),
  }),
  route({
    name: 'getRunCodes',
    method: 'GET',
    path: '/runs/{id}/codes',
    subject: 'Logs',
    summary: 'Failures of a run by code',
    right: 'read',
    params: byRunId,
    answer: json(codeCounts, 'Most first.'),
    handle: ({ actor, services, params }) => services.logs.codes(actor, params.id),
  }),
  route({
    name: 'getCodes',
    method: 'GET',
    path: '/codes',
    subject: 'Logs',
    summary: 'Failures of all runs by code',
    right: 'read',
    answer: json(codeCounts, 'Most first.'),
    handle: ({ actor, services }) => services.logs.codes(actor, null),
  }),
  route({
    name: 'listRunLog',
    method: 'GET',
    path: '/runs/{id}/log',
    subject: 'Logs',
    summary: 'What happened in a run',
    right: 'read',
    params: byRunId,
    query: list,
    filters: ['level'],
    answer: json(pageOf('RunLogLine', runLogLine), 'A page.'),
    handle: ({ actor, services, params, query }) => services.logs.lines(actor, params.id, toListQuery(query)),
  }),
];

const files: readonly Route[] = [
  route({
    name: 'listArtifacts',
    method: 'GET',
    path: '/runs/{id}/artifacts',
    subject: 'Reports',
    summary: 'Files made from a run',
    right: 'read',
    params: byRunId,
    answer: json(artifacts, 'All of them.'),
    handle: ({ actor, services, params }) => services.reports.list(actor, params.id),
  }),
  route({
    name: 'requestArtifact',
    method: 'POST',
    path: '/runs/{id}/artifacts',
    subject: 'Reports',
    summary: 'Have a copy log or a report made',
    right: 'report',
    params: byRunId,
    body: artifactInput,
    creates: ({ actor, services }, id) => services.reports.get(actor, id),
    answer: json(artifact, 'It is pending until it is ready.'),
    handle: ({ actor, services, params, body }) => services.reports.request(actor, params.id, body.kind, body),
  }),
  route({
    name: 'getArtifact',
    method: 'GET',
    path: '/artifacts/{id}',
    subject: 'Reports',
    summary: 'How far a file is',
    right: 'read',
    params: byId,
    answer: json(artifact, 'The file.'),
    handle: ({ actor, services, params }) => services.reports.get(actor, params.id),
  }),
  route({
    name: 'downloadArtifact',
    method: 'GET',
    path: '/artifacts/{id}/content',
    subject: 'Reports',
    summary: 'Download a file',
    right: 'read',
    params: byId,
    answer: { kind: 'file', description: 'The file; single byte ranges are honored.' },
    async handle({ actor, services, params }) {
      const { artifact: file, content } = await services.reports.download(actor, params.id);
      const { fileName, sizeBytes, sha256, kind } = file;
      return { fileName, mediaType: MEDIA_TYPES[kind], sizeBytes, sha256, content };
    },
  }),
];

export const runRoutes: readonly Route[] = [...states, ...details, ...files];
