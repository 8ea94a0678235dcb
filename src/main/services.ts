/** All services of the server, each given what it needs of the others. */
import { connectorOpener } from '../control/connectors/open.ts';
import { openConnectors, type ConnectorService } from '../control/connectors/service.ts';
import { openDefinitions } from '../control/definitions/service.ts';
import { signInChecks } from '../control/definitions/sign-ins.ts';
import { openEndpoints } from '../control/endpoints/service.ts';
import { openFleet } from '../control/fleet/service.ts';
import { openPreflight } from '../control/jobs/preflight.ts';
import { openJobs } from '../control/jobs/service.ts';
import { openLogs } from '../control/logs/service.ts';
import { openMany } from '../control/many/service.ts';
import { openPeople } from '../control/people/people.ts';
import { openSignIn } from '../control/people/sign-in.ts';
import { openTokens } from '../control/people/tokens.ts';
import { openProjects, type RunCleanup } from '../control/projects/service.ts';
import { openReports, type ReportsWithWork } from '../control/reports/service.ts';
import { openRuns } from '../control/runs/service.ts';
import { PostgresRunStore } from '../control/runs/store.ts';
import { openSamples } from '../control/samples/service.ts';
import { openSchedules } from '../control/schedules/service.ts';
import type { Services } from '../control/services.ts';
import { openTimetables } from '../control/timetables/service.ts';
import { openNotifications, type NotificationsWithWork } from '../control/notifications/service.ts';
import { openDismissals } from '../control/overview/dismissals.ts';
import { openOverview } from '../control/overview/service.ts';
import type { ControlWorld } from '../control/world.ts';
import { tracedConnectors, tracedJobs, tracedStart } from './traced-services.ts';
import { removeFilesOf } from '../control/retention/removed-runs.ts';

export interface AllServices extends Services {
  readonly connectors: ConnectorService;
  readonly reports: ReportsWithWork;
  readonly notifications: NotificationsWithWork;
}

export function openServices(world: ControlWorld, signal: AbortSignal): AllServices {
  const store = new PostgresRunStore(world.db);
  const openConnector = connectorOpener(world);
  const cleanup: RunCleanup = { removeFilesOf: (runIds) => removeFilesOf(world, runIds) };
  const logs = openLogs(world);
  const notifications = openNotifications(world);
  const connectors = tracedConnectors(openConnectors(world), world.tracing);
  const endpoints = openEndpoints(world, openConnector);
  const projects = openProjects(world, cleanup);
  const jobs = tracedJobs(openJobs(world, { cleanup, ...openPreflight(world, openConnector) }), world.tracing);
  const timetables = openTimetables(world);
  const runs = openRuns(world, { preflight: jobs.preflight, append: logs.append });
  const schedules = openSchedules(world, {
    preflight: jobs.preflight,
    start: tracedStart(runs.start, world.tracing),
    onRefused: async ({ jobId, jobName, projectName }, reason, tx) => {
      const row = await tx.selectFrom('jobs').select('project_id').where('id', '=', jobId).executeTakeFirst();
      const payload = { job: jobName, project: projectName, reason };
      await notifications.tell('schedule.refused', { runId: null, projectId: row?.project_id ?? null, payload }, tx);
    },
  });
  const reports = openReports(world, {
    store,
    openConnector,
    runOf: runs.get,
    snapshotOf: runs.snapshot,
  });
  const definitions = openDefinitions(
    { connectors, endpoints, projects, jobs, schedules, timetables },
    world.providers,
    signal,
    signInChecks(world),
  );
  const overview = openOverview(world, { runs, schedules, logs });
  return {
    signIn: openSignIn(world),
    people: openPeople(world),
    tokens: openTokens(world),
    connectors,
    endpoints,
    projects,
    samples: openSamples(world, { connectors, endpoints, projects, jobs }),
    jobs,
    runs,
    schedules,
    many: openMany({ jobs, runs, schedules }),
    dismissals: openDismissals(world),
    timetables,
    logs,
    reports,
    notifications,
    fleet: openFleet(world),
    definitions,
    overview,
  };
}
