/**
 * Whether a job could start now: permission by permission on both sides, exactly what to grant where not, what a run
 * will cost, and what looks wrong before it begins.
 */
import { identitiesOverlap, identityAbove, probeBetween } from '../../contract/places.ts';
import type { CheckLine } from '../../contract/provider.ts';
import { DroverError } from '../../model/errors.ts';
import type { JobSettings, Preflight, RunKind } from '../entities.ts';
import { keepIdentity, overlapError } from '../endpoints/identity.ts';
import { demand } from '../people/roles.ts';
import type { Jobs } from '../services.ts';
import type { ControlWorld, OpenConnector } from '../world.ts';
import { counted, estimateFromLastRun, warningsOf } from './estimate.ts';
import { changedSince, observeEnds, type MadeWith, type Observed } from './observing.ts';
import { restoreWarnings, writeWarnings } from './permissions.ts';
import { jobFacts, type JobFacts } from './rows.ts';
import { outcomesOf } from './service.ts';
import { sharedTargetWarnings } from './shared-target.ts';
import { assignRole, examineSides, identifySides, type SideReport } from './sides.ts';

export function openPreflight(world: ControlWorld, openConnector: OpenConnector): Pick<Jobs, 'preflight' | 'grant'> {
  return {
    async preflight(actor, id, options, signal) {
      demand(actor, 'run');
      const facts = await jobFacts(world.db, id);
      return options.placesOnly === true
        ? provePlaces(world, openConnector, facts, options.kind, signal)
        : examine(world, openConnector, facts, options, signal);
    },
    async grant(actor, id, side, signal) {
      demand(actor, 'connector-change');
      const facts = await jobFacts(world.db, id);
      await assignRole(world, openConnector, actor, facts, side, signal);
      return examine(world, openConnector, facts, { count: false }, signal);
    },
  };
}

async function examine(
  world: ControlWorld,
  openConnector: OpenConnector,
  facts: JobFacts,
  { count, kind = 'transfer' }: { readonly count: boolean; readonly kind?: RunKind | undefined },
  signal: AbortSignal,
): Promise<Preflight> {
  const { job, source, target } = facts;
  const sides = await examineSides(world, openConnector, facts, kind, signal);
  await keepIdentities(world, facts, sides);
  const overlap = overlapOf(facts, sides);
  const isFine = ![...sides.source.lines, ...sides.target.lines].some(({ result }) => result === 'refused');
  // What cannot be listed cannot be counted, and its refusal says so already.
  const canCount = count && !sides.source.lines.some(({ result }) => result === 'refused');
  const estimate = canCount
    ? await counted(world, openConnector, facts, signal)
    : await estimateFromLastRun(world, facts, kind);
  // Only what writes may try out what the target honours, and only where it may write.
  const writes = isWriting(kind);
  // Trying out leaves what it may not delete again.
  const mayTryOut =
    isFine &&
    overlap === null &&
    writes &&
    !sides.target.lines.some(({ what, result }) => what === 'delete' && result !== 'ok');
  const overwrites = writes && job.settings.targetNewer === 'overwrite' && (await isFirst(world, job.id));
  const mirrors = writes && kind === 'transfer' && job.settings.mode === 'mirror';
  // Of a job that only added so far, too: what others put there has stayed until now.
  const deletes = mirrors && (await isFirst(world, job.id, 'mirror'));
  const seen = mayTryOut
    ? await observeEnds(world, openConnector, facts, { looksInside: overwrites || deletes }, signal).catch(overlapSeen)
    : null;
  const observed = seen instanceof DroverError ? null : seen;
  const same = overlap ?? (seen instanceof DroverError ? seen : null);
  const mayHold = observed?.holdsAnything !== false;
  const concessions = outcomesOf(world, source, target, job.settings, observed, kind);
  const changes = observed === null ? [] : await changesSinceMade(world, facts, observed);
  return {
    ok: isFine && same === null,
    source: sides.source.lines,
    target: [...sides.target.lines, ...(same === null ? [] : [refusalOf(same)])],
    grants: (['source', 'target'] as const).flatMap((side) => sides[side].grants.map((grant) => ({ side, ...grant }))),
    concessions,
    warnings: [
      ...restoreWarnings(source, job.settings),
      ...(writes ? writeWarnings(target) : []),
      ...(kind === 'validate' ? [] : await sharedTargetWarnings(world.db, facts)),
      ...changes,
      ...(writes && isFine && same === null && isUnproved(observed) ? unprovedWarnings(facts) : []),
      ...warningsOf(estimate, job.settings, kind, {
        overwrites: overwrites && mayHold,
        deletes: deletes && mayHold,
      }),
    ],
    estimate,
  };
}

/** What no flag skips: the places as they are found now, and what is written to the target looked for at the source. */
async function provePlaces(
  world: ControlWorld,
  openConnector: OpenConnector,
  facts: JobFacts,
  kind: RunKind = 'transfer',
  signal: AbortSignal,
): Promise<Preflight> {
  const ends = await identifySides(world, openConnector, facts, signal);
  await keepIdentities(world, facts, ends);
  const overlap = overlapOf(facts, ends);
  if (overlap !== null) throw overlap;
  const writes = isWriting(kind);
  const seen = writes ? await observeEnds(world, openConnector, facts, { looksInside: false }, signal) : null;
  return {
    ok: true,
    source: [],
    target: [],
    grants: [],
    concessions: [],
    warnings: writes && isUnproved(seen) ? unprovedWarnings(facts) : [],
    estimate: null,
  };
}

function isWriting(kind: RunKind): boolean {
  return kind === 'transfer' || kind === 'retry';
}

function isUnproved(seen: Observed | null): boolean {
  return seen === null || seen.isUntold;
}

/** Not where a second address would show: names of folders are what the system knows them by. */
function unprovedWarnings({ job, source, target }: JobFacts): readonly string[] {
  if (source.provider !== target.provider || probeBetween(source.place, target.place, false) === null) return [];
  const end =
    job.settings.mode === 'mirror'
      ? 'Before it deletes anything the run looks once more, and where that cannot be told it deletes nothing.'
      : 'Make sure of it yourself: a run between two addresses of one place overwrites what it reads.';
  return [
    `Whether "${source.fullPath}" and "${target.fullPath}" are one place under two addresses could not be tried out. ${end}`,
  ];
}

type Identities = { readonly [Side in 'source' | 'target']: Pick<SideReport, 'identity'> };

async function keepIdentities({ db }: ControlWorld, facts: JobFacts, ends: Identities): Promise<void> {
  for (const side of ['source', 'target'] as const) {
    const { identity } = ends[side];
    if (identity !== null) await keepIdentity(db, facts[side].endpointId, identityAbove(identity, facts[side].subPath));
  }
}

/** As both are found now: signing in anew can have led elsewhere since the job was made. */
function overlapOf({ source, target }: JobFacts, ends: Identities): DroverError | null {
  const [from, to] = [ends.source.identity, ends.target.identity];
  if (from === null || to === null || !identitiesOverlap(from, null, to)) return null;
  return overlapError({ ...source, identity: from }, { ...target, identity: to });
}

function overlapSeen(thrown: unknown): DroverError {
  if (thrown instanceof DroverError && thrown.code === 'PLACES_OVERLAP') return thrown;
  throw thrown;
}

function refusalOf({ message, remedy }: DroverError): CheckLine {
  return { what: 'container', result: 'refused', message, field: null, remedy };
}

/** Like is compared with like: a job is made from what providers say in general, and from then on from what was seen. */
async function changesSinceMade(
  world: ControlWorld,
  { job, source, target }: JobFacts,
  observed: Observed,
): Promise<readonly string[]> {
  const concessions = outcomesOf(world, source, target, job.settings, observed);
  const { db } = world;
  const row = await db.selectFrom('jobs').select('made_with').where('id', '=', job.id).executeTakeFirst();
  const made = (row?.made_with as MadeWith | null | undefined) ?? null;
  if (made?.isOpened === true) return changedSince(made, concessions);
  const { facts } = observed;
  const changes = changedSince(made, outcomesOf(world, source, { ...target, facts }, job.settings));
  if (changes.length > 0) return changes;
  const seen: MadeWith = { observedAtMs: facts?.observedAtMs ?? null, isOpened: true, concessions };
  await db
    .updateTable('jobs')
    .set({ made_with: JSON.stringify(seen) })
    .where('id', '=', job.id)
    .where('version', '=', job.version)
    .execute();
  return [];
}

/** `mode`: no run of this mode, whatever runs of another one have done. */
async function isFirst({ db }: ControlWorld, jobId: string, mode?: JobSettings['mode']): Promise<boolean> {
  const runs = db
    .selectFrom('runs')
    .select('id')
    .where('job_id', '=', jobId)
    .where('kind', '=', 'transfer')
    .where('state', 'in', ['succeeded', 'completed-with-issues'])
    .limit(1);
  // Each run keeps the policy that it was started with.
  const ofMode = mode === undefined ? runs : runs.where('definition', 'like', `%"mode":"${mode}"%`);
  return (await ofMode.executeTakeFirst()) === undefined;
}
