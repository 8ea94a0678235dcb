/**
 * What both ends of a job are by now. A job is made with what they were seen to be then; a store may have been updated,
 * moved or set up anew since.
 */
import { probeBetween } from '../../contract/places.ts';
import type { Probing, Source, SourceTraits, Target, TargetFacts, TargetTraits } from '../../contract/provider.ts';
import { lookedUp } from '../../engine/apart.ts';
import type { Concession } from '../../engine/definition.ts';
import { newRunId } from '../../engine/run-id.ts';
import { toDroverError } from '../../model/errors.ts';
import { overlapError } from '../endpoints/identity.ts';
import { inTime } from '../in-time.ts';
import type { ControlWorld, OpenConnector } from '../world.ts';
import type { JobFacts } from './rows.ts';

const OBSERVING_MS_MAX = 60_000;
const PAGES_MAX = 10;

export interface Observed {
  readonly source: SourceTraits;
  readonly target: TargetTraits;
  readonly facts: TargetFacts | null;
  /** Of the target: what is there may be overwritten. `null`: nobody asked, or it could not be told. */
  readonly holdsAnything: boolean | null;
  /** What was written to the target could not be looked for at the source: whether they are one place is not told. */
  readonly isUntold: boolean;
}

/**
 * Asks both stores, and keeps with the endpoint what its store was seen to honour; `looksInside`: also whether the target
 * holds anything. `null`: it could not be found out. PLACES_OVERLAP when what is written to the target for that shows up
 * at the source: a store can have more names than anybody knows.
 */
export async function observeEnds(
  world: ControlWorld,
  openConnector: OpenConnector,
  facts: JobFacts,
  { looksInside }: { readonly looksInside: boolean },
  signal: AbortSignal,
): Promise<Observed | null> {
  const limit = { limitMs: OBSERVING_MS_MAX, what: 'The ends of the job have not answered' };
  try {
    return await inTime(world.clock, limit, signal, (stopped) =>
      observe(world, openConnector, facts, looksInside, stopped),
    );
  } catch (thrown) {
    const error = toDroverError(thrown);
    if (signal.aborted || error.code === 'PLACES_OVERLAP') throw error;
    // What was known before stands: whatever is wrong beyond that, the permission checks say.
    world.log('debug', 'The ends of a job could not be observed anew.', { job: facts.job.id, code: error.code });
    return null;
  }
}

async function observe(
  world: ControlWorld,
  openConnector: OpenConnector,
  ends: JobFacts,
  looksInside: boolean,
  signal: AbortSignal,
): Promise<Observed> {
  const { job, source, target } = ends;
  await using closing = new AsyncDisposableStack();
  const from = closing.use((await openConnector(source.connectorId, world.openTransport)).account);
  const to = closing.use((await openConnector(target.connectorId, world.openTransport)).account);
  const versions = job.settings.versions;
  const opened = closing.use(await from.source(source.place, { versions }, signal));
  const taking = closing.use(await to.target(target.place, { facts: null, runId: newRunId(world) }, signal));
  // Before it is tried out, which may leave something there.
  const holdsAnything = looksInside ? await holdsObjects(taking, signal) : null;
  const seen = { source: opened.traits, target: taking.traits, holdsAnything };
  if (taking.observe === undefined) return { ...seen, facts: target.facts, isUntold: false };
  let isUntold = false;
  const probing = probingOf(opened, taking, ends, () => (isUntold = true), signal);
  const facts = await taking.observe(signal, probing);
  await world.db
    .updateTable('endpoints')
    .set({ facts: JSON.stringify(facts) })
    .where('id', '=', target.endpointId)
    .execute();
  return { ...seen, facts, isUntold };
}

function probingOf(
  opened: Source,
  { traits }: Target,
  { source, target }: JobFacts,
  onUntold: () => void,
  signal: AbortSignal,
): Probing | undefined {
  // Also between providers: a gateway gives one store two protocols.
  const probe = probeBetween(source.place, target.place, !traits.names.objectAndPrefix);
  if (probe === null) return undefined;
  return {
    below: probe.below,
    async seen(key) {
      const entry = await lookedUp(opened, probe.keyAt(key), signal).catch((thrown: unknown) => {
        const error = toDroverError(thrown);
        if (error.code === 'CANCELLED') throw error;
        onUntold();
        return null;
      });
      if (entry !== null) throw overlapError(source, target);
    },
  };
}

/** What hides behind many pages without an object is not looked for. `null`: it may not be looked into. */
async function holdsObjects(target: Target, signal: AbortSignal): Promise<boolean | null> {
  let pages = 0;
  try {
    for await (const { entries, complete } of target.scan({ from: null, to: null, resume: null }, signal)) {
      if (entries.some(({ kind }) => kind !== 'folder')) return true;
      if (complete) return false;
      if (++pages === PAGES_MAX) return null;
    }
    return null;
  } catch (thrown) {
    const error = toDroverError(thrown);
    if (signal.aborted) throw error;
    // Of a folder that is made when the run begins.
    return error.code === 'PLACE_NOT_FOUND' ? false : null;
  }
}

/** Kept with a job: what would not survive when it was made or changed, as far as that was known. */
export interface MadeWith {
  /** Of the target's store; `null`: it had not been asked yet. */
  readonly observedAtMs: number | null;
  /** From what both ends are once they are signed in to, not only from what their providers say in general. */
  readonly isOpened: boolean;
  readonly concessions: readonly Concession[];
}

/** One sentence for each thing that is otherwise than when the job was made. */
export function changedSince(made: MadeWith | null, now: readonly Concession[]): readonly string[] {
  if (made === null) return [];
  const has = (all: readonly Concession[], one: Concession): boolean =>
    all.some(({ aspect, detail }) => aspect === one.aspect && detail === one.detail);
  // What nobody knew yet is no change: the same aspect, said more exactly.
  const wasKnown = made.observedAtMs !== null;
  const names = (all: readonly Concession[], { aspect }: Concession): boolean =>
    all.some((one) => one.aspect === aspect);
  const added = now.filter((one) => !has(made.concessions, one) && (wasKnown || !names(made.concessions, one)));
  const gone = made.concessions.filter((one) => !has(now, one) && (wasKnown || !names(now, one)) && !names(added, one));
  return [
    ...added.map(({ detail }) => `This has changed since the job was made or changed. Now: ${detail}`),
    ...(wasKnown ? gone : []).map(
      ({ detail }) => `This has changed since the job was made or changed. It holds no longer: ${detail}`,
    ),
  ];
}
