/** The live stream. */
import { z } from 'zod';
import { demand } from '../../control/people/roles.ts';
import { DroverError } from '../../model/errors.ts';
import { isTopic, TOPIC_RIGHTS, topicKind } from '../events/topics.ts';
import { route, type Route } from './route.ts';

const TOPICS_MAX = 100;

export const eventRoutes: readonly Route[] = [
  route({
    name: 'followEvents',
    method: 'GET',
    path: '/events',
    subject: 'Live',
    summary: 'Server-sent events: what changes, as it changes',
    description:
      'One stream for all topics. Events: `changed` (the entity as it is now, with `sequence` and `asOf`), `removed`, ' +
      '`log` (the next lines of a run log may be read), `map` (the map of a run, first whole, then the cells that changed ' +
      'since `base`), `reset` (too much was missed: read everything again). Reconnect with `Last-Event-ID`. ' +
      'A run changes at most four times a second.',
    right: 'read',
    query: z.object({
      topics: z
        .string()
        .max(8_192)
        .describe(
          `Separated by commas: ${Object.keys(TOPIC_RIGHTS).join(', ')}; run, run-log and run-map with an id: run:ID.`,
        ),
    }),
    answer: { kind: 'events', description: 'Ends when the session does.' },
    async handle({ actor, query }) {
      const topics = [...new Set(query.topics.split(',').map((topic) => topic.trim()))].filter((topic) => topic !== '');
      const invalid = (message: string): DroverError => new DroverError('INVALID_INPUT', message, { field: 'topics' });
      if (topics.length === 0) throw invalid('Name at least one topic.');
      if (topics.length > TOPICS_MAX) throw invalid(`Name at most ${TOPICS_MAX} topics.`);
      for (const topic of topics) {
        if (!isTopic(topic)) throw invalid(`There is no topic "${topic}".`);
        demand(actor, TOPIC_RIGHTS[topicKind(topic)]);
      }
      return { topics };
    },
  }),
];
