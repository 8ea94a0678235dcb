/** Every route, once. */
import { connectorRoutes } from './connectors.ts';
import { eventRoutes } from './events.ts';
import { jobRoutes } from './jobs.ts';
import { overviewRoutes } from './overview.ts';
import { peopleRoutes } from './people.ts';
import type { Route } from './route.ts';
import { runRoutes } from './runs.ts';
import { sampleRoutes } from './samples.ts';
import { scheduleRoutes } from './schedules.ts';
import { signInRoutes } from './sign-in.ts';

export const API_BASE = '/api/v1';

export const ROUTES: readonly Route[] = [
  ...signInRoutes,
  ...connectorRoutes,
  ...jobRoutes,
  ...overviewRoutes,
  ...runRoutes,
  ...scheduleRoutes,
  ...sampleRoutes,
  ...peopleRoutes,
  ...eventRoutes,
];
