/**
 * The same on many jobs or schedules: those that a filter names, as its list shows them. Each is told as soon as it is
 * known how it went; what is refused for one leaves the others alone.
 */
import { DroverError, toDroverError, toFailure } from '../../model/errors.ts';
import type { Actor, ListQuery, ManyOutcome, Page, Selection } from '../entities.ts';
import { demand } from '../people/roles.ts';
import type { Many, Services, Steps } from '../services.ts';

/** Permission checks go to the stores, so that a few at a time are enough. */
const AT_ONCE = 4;
const CHOSEN_MAX = 10_000;
const PAGE = 1_000;

/** Of a request that nobody can recognise when it is sent again. */
const EACH_TIME = (actor: Actor): Steps => ({ once: (_name, make) => make(actor) });

interface Chosen {
  readonly id: string;
  readonly name: string;
}

export function openMany({ jobs, runs, schedules }: Pick<Services, 'jobs' | 'runs' | 'schedules'>): Many {
  return {
    async startJobs(actor, { kind, skipPreflight }, selection, signal, steps = EACH_TIME(actor)) {
      demand(actor, 'run');
      const choose = async (): Promise<{ id: string; name: string; lastRunId: string | null }[]> => {
        const all = await everyOne((query) => jobs.list(actor, query), selection);
        const known = all.map((job) => ({
          id: job.id,
          name: `${job.projectName}/${job.name}`,
          lastRunId: job.lastRun?.id ?? null,
        }));
        return expectCount(known, selection, 'jobs');
      };
      // Kept with the request: once some have been started, the same filter may name others.
      const chosen = await steps.once('chosen', choose, choose);
      return told(chosen, signal, ({ id, lastRunId }) => {
        const trigger = actor.kind === 'token' ? 'token' : 'person';
        const start = async (own: Actor): Promise<string> => {
          if (kind !== 'retry') return (await runs.start(own, id, { kind, trigger, skipPreflight }, signal)).id;
          if (lastRunId !== null)
            return (await runs.start(own, id, { kind, retryOf: lastRunId, trigger, skipPreflight }, signal)).id;
          throw new DroverError('WRONG_STATE', 'It has not run yet, so that nothing has failed.');
        };
        return steps.once(id, start, async (runId) => runId);
      });
    },
    async switchSchedules(actor, enabled, selection, signal) {
      demand(actor, 'define');
      const all = await everyOne((query) => schedules.list(actor, query), selection);
      const chosen = expectCount(
        all.map(({ id, projectName, jobName }) => ({ id, name: `${projectName}/${jobName}` })),
        selection,
        'schedules',
      );
      return told(chosen, signal, async ({ id }) => {
        if (enabled) await schedules.enable(actor, id, signal);
        else await schedules.disable(actor, id);
        return null;
      });
    },
  };
}

async function everyOne<T>(list: (query: ListQuery) => Promise<Page<T>>, selection: Selection): Promise<T[]> {
  const { filter, search } = selection;
  const all: T[] = [];
  let cursor: string | undefined;
  do {
    const page = await list({ filter, search, limit: PAGE, cursor });
    all.push(...page.items);
    cursor = page.nextCursor ?? undefined;
    if (all.length > CHOSEN_MAX) {
      throw new DroverError('INVALID_INPUT', `These are more than ${CHOSEN_MAX.toLocaleString('en')} at one time.`, {
        field: 'filter',
        remedy: 'Narrow the filter, and do the rest after it.',
      });
    }
  } while (cursor !== undefined);
  return all;
}

/** COUNT_CHANGED: whoever confirmed saw another list. */
function expectCount<T extends Chosen>(all: readonly T[], { except, expectedCount }: Selection, word: string): T[] {
  const left = new Set(except);
  const chosen = all.filter(({ id }) => !left.has(id));
  if (chosen.length === expectedCount) return chosen;
  throw new DroverError('COUNT_CHANGED', `These are ${chosen.length} ${word} by now, not ${expectedCount}.`);
}

/** In the order in which they end. A reader that leaves, or the signal, begins with no further one. */
async function* told<T extends Chosen>(
  chosen: readonly T[],
  signal: AbortSignal,
  work: (one: T) => Promise<string | null>,
): AsyncGenerator<ManyOutcome> {
  const waiting = [...chosen];
  const going = new Map<string, Promise<ManyOutcome>>();
  const begin = (): void => {
    while (going.size < AT_ONCE && !signal.aborted) {
      const one = waiting.shift();
      if (one === undefined) return;
      going.set(one.id, outcomeOf(one, work));
    }
  };
  for (begin(); going.size > 0; begin()) {
    const outcome = await Promise.race(going.values());
    going.delete(outcome.id);
    yield outcome;
  }
}

async function outcomeOf<T extends Chosen>(one: T, work: (one: T) => Promise<string | null>): Promise<ManyOutcome> {
  const { id, name } = one;
  try {
    return { id, name, runId: await work(one), error: null };
  } catch (thrown) {
    return { id, name, runId: null, error: toFailure(toDroverError(thrown)) };
  }
}
