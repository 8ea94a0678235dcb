/** What can be followed, and who may. */
import type { Topic as BusTopic } from '../../control/world.ts';
import type { Right } from '../../control/people/roles.ts';

/** Topic, without the id of a single run, and the right it needs. */
export const TOPIC_RIGHTS = {
  runs: 'read',
  run: 'read',
  'run-log': 'read',
  'run-map': 'read',
  connectors: 'read',
  endpoints: 'read',
  projects: 'read',
  jobs: 'read',
  schedules: 'read',
  timetables: 'read',
  artifacts: 'read',
  subscriptions: 'read',
  workers: 'read',
  people: 'people',
} as const satisfies Record<string, Right>;

export type TopicKind = keyof typeof TOPIC_RIGHTS;

const WITH_ID: readonly TopicKind[] = ['run', 'run-log', 'run-map'];

/** `run:01h…` → `run`. */
export function topicKind(topic: string): TopicKind {
  return topic.split(':', 1)[0] as TopicKind;
}

export function isTopic(topic: string): boolean {
  const [kind = '', id, ...more] = topic.split(':');
  if (more.length > 0 || !Object.hasOwn(TOPIC_RIGHTS, kind)) return false;
  const needsId = WITH_ID.includes(kind as TopicKind);
  return needsId ? /^[a-z0-9]{8,26}$/.test(id ?? '') : id === undefined;
}

const MAP = 'run-map:';

export function mapTopic(runId: string): string {
  return `${MAP}${runId}`;
}

/** Of a topic for a map: which run's. */
export function runOfMap(topic: string): string | null {
  return topic.startsWith(MAP) ? topic.slice(MAP.length) : null;
}

/** Which topics hear of a message of the bus. */
export function topicsOf(topic: BusTopic, id: string): readonly string[] {
  switch (topic) {
    case 'run':
      return ['runs', `run:${id}`];
    case 'run-log':
      return [`run-log:${id}`];
    case 'connector':
    case 'endpoint':
    case 'project':
    case 'job':
    case 'schedule':
    case 'timetable':
    case 'artifact':
    case 'subscription':
    case 'worker':
      return [`${topic}s`];
    case 'person':
      return ['people'];
    case 'runs':
    case 'work':
      return [];
  }
}
