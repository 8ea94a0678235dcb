/** What comes over the live stream. */
import type { MapCell } from '../../control/entities.ts';
import type { TopicKind } from './topics.ts';

/** Entity kinds as the stream names them. */
export type LiveKind =
  | 'run'
  | 'run-log'
  | 'run-map'
  | 'connector'
  | 'endpoint'
  | 'project'
  | 'job'
  | 'schedule'
  | 'timetable'
  | 'artifact'
  | 'subscription'
  | 'worker'
  | 'person';

export type LiveEvent =
  /** The entity as it is now. A higher `sequence` is newer; an equal or lower one can be dropped. */
  | {
      readonly type: 'changed';
      readonly kind: LiveKind;
      readonly id: string;
      readonly sequence: number;
      readonly asOf: string;
      readonly entity: unknown;
    }
  | { readonly type: 'removed'; readonly kind: LiveKind; readonly id: string; readonly asOf: string }
  /** The run log has more lines. */
  | { readonly type: 'log'; readonly kind: 'run-log'; readonly id: string; readonly asOf: string }
  /**
   * The map of a run in cells, or how it differs from the one with the sequence `base`; `null`: all of it. Afterwards it
   * has `count` cells, and these in their places.
   */
  | {
      readonly type: 'map';
      readonly kind: 'run-map';
      readonly id: string;
      readonly sequence: number;
      readonly asOf: string;
      readonly base: number | null;
      readonly count: number;
      readonly cells: readonly (MapCell & { readonly index: number })[];
    }
  /** Something was missed: read everything again, and forget all sequences. */
  | { readonly type: 'reset'; readonly asOf: string };

/** Kind → the topic that carries all of its kind. */
export const TOPIC_OF: Readonly<Record<LiveKind, TopicKind>> = {
  run: 'runs',
  'run-log': 'run-log',
  'run-map': 'run-map',
  connector: 'connectors',
  endpoint: 'endpoints',
  project: 'projects',
  job: 'jobs',
  schedule: 'schedules',
  timetable: 'timetables',
  artifact: 'artifacts',
  subscription: 'subscriptions',
  worker: 'workers',
  person: 'people',
};
