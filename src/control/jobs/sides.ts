/** Whether both sides of a job let it do what this kind of run does, and exactly what to grant where they do not. */
import type { Account, CheckLine, CheckWish, PlaceIdentity, Use } from '../../contract/provider.ts';
import { DroverError, toDroverError } from '../../model/errors.ts';
import { makeAudit } from '../audit.ts';
import { judge } from '../connectors/check.ts';
import type { Actor, Job, JobSettings, Preflight, RunKind } from '../entities.ts';
import { inTime } from '../in-time.ts';
import type { ControlWorld, OpenConnector } from '../world.ts';
import type { EndFacts, JobFacts } from './rows.ts';

/** Of one side: one that hangs must not keep whoever asks for ever. */
const CHECK_MS_MAX = 60_000;

export interface SideReport {
  readonly lines: readonly CheckLine[];
  readonly grants: readonly Omit<Preflight['grants'][number], 'side'>[];
  /** As it was found now; `null`: it could not be opened. */
  readonly identity: PlaceIdentity | null;
}

/** What only compares writes nothing, so nothing is written to find out whether it may be. */
function targetUse(kind: RunKind): Use {
  return kind === 'validate' || kind === 'dry-run' ? 'read' : 'write';
}

/** Only a mirror deletes. */
function wishOf({ tags, mode }: JobSettings, isSource: boolean): CheckWish {
  return { tags: tags === 'preserve', deletes: mode === 'mirror', mayBeAbsent: !isSource };
}

export async function examineSides(
  world: ControlWorld,
  openConnector: OpenConnector,
  { job, source, target }: JobFacts,
  kind: RunKind,
  signal: AbortSignal,
): Promise<{ readonly source: SideReport; readonly target: SideReport }> {
  const [from, to] = await Promise.all([
    examine(world, openConnector, { end: source, use: 'read', isSource: true }, job, signal),
    examine(world, openConnector, { end: target, use: targetUse(kind), isSource: false }, job, signal),
  ]);
  return { source: from, target: to };
}

/** Without any question of rights; `null` where a side could not be opened: whoever opens it next says why. */
export async function identifySides(
  world: ControlWorld,
  openConnector: OpenConnector,
  { source, target }: JobFacts,
  signal: AbortSignal,
): Promise<{ readonly [Side in 'source' | 'target']: Pick<SideReport, 'identity'> }> {
  const identify = async ({ connectorId, fullPath, place }: EndFacts): Promise<Pick<SideReport, 'identity'>> => {
    const limit = { limitMs: CHECK_MS_MAX, what: `"${fullPath}" could not be opened` };
    try {
      return await inTime(world.clock, limit, signal, async () => {
        const { account } = await openConnector(connectorId, world.openTransport);
        await using _closing = account;
        return { identity: await account.identify(place) };
      });
    } catch (thrown) {
      if (signal.aborted) throw toDroverError(thrown);
      return { identity: null };
    }
  };
  const [from, to] = await Promise.all([identify(source), identify(target)]);
  return { source: from, target: to };
}

interface Asked {
  readonly end: EndFacts;
  readonly use: Use;
  readonly isSource: boolean;
}

async function examine(
  world: ControlWorld,
  openConnector: OpenConnector,
  { end, use, isSource }: Asked,
  { id: jobId, settings }: Job,
  signal: AbortSignal,
): Promise<SideReport> {
  const lines: CheckLine[] = [];
  let identity: PlaceIdentity | null = null;
  try {
    const limit = { limitMs: CHECK_MS_MAX, what: `"${end.fullPath}" has not answered all questions` };
    return await inTime(world.clock, limit, signal, async (stopped) => {
      const { account } = await openConnector(end.connectorId, world.openTransport);
      await using _closing = account;
      identity = await account.identify(end.place);
      for await (const line of account.check(end.place, use, stopped, wishOf(settings, isSource))) lines.push(line);
      if (isSource && !lines.some(({ result }) => result === 'refused')) {
        lines.push(...(await nothingThere(world, account, end, jobId, stopped)));
      }
      return { lines, grants: grantsOf(account, end, use, settings, lines), identity };
    });
  } catch (thrown) {
    const error = toDroverError(thrown);
    if (error.code === 'CANCELLED') throw error;
    const { message, field, remedy } = error;
    return { lines: [...lines, { what: 'network', result: 'refused', message, field, remedy }], grants: [], identity };
  }
}

/**
 * A path below which there is nothing is mistyped more often than empty. Once the job has moved something from there, it
 * may be empty by right.
 */
async function nothingThere(
  world: ControlWorld,
  account: Account,
  { place, fullPath }: EndFacts,
  jobId: string,
  signal: AbortSignal,
): Promise<CheckLine[]> {
  if (place.prefix === '') return [];
  await using source = await account.source(place, { versions: 'current' }, signal);
  for await (const page of source.scan({ from: null, to: null, resume: null }, signal)) {
    if (page.entries.length > 0) return [];
    if (page.complete) break;
  }
  const before = await world.db
    .selectFrom('runs')
    .select('id')
    .where('job_id', '=', jobId)
    .where('state', 'in', ['succeeded', 'completed-with-issues'])
    .limit(1)
    .executeTakeFirst();
  return [
    {
      // No right brings back what is not there.
      what: 'container',
      result: before === undefined ? 'refused' : 'warning',
      message: `There is nothing at "${fullPath}".`,
      field: null,
      remedy: 'Check the path of the source; keys compare letter by letter. Sub-paths are fixed, so make another job.',
    },
  ];
}

/** What a right could mend. A path that is not there, or credentials that are wrong, no policy brings back. */
export const RIGHTS: readonly CheckLine['what'][] = ['list', 'read', 'write', 'delete', 'tags'];

/** Ready to paste, for exactly this place. A role that Drover may assign by itself comes first. */
function grantsOf(
  account: Account,
  { place }: EndFacts,
  use: Use,
  settings: JobSettings,
  lines: readonly CheckLine[],
): SideReport['grants'] {
  const lacks = (...whats: CheckLine['what'][]): boolean =>
    lines.some(({ what, result }) => result === 'refused' && whats.includes(what));
  const lacksTags = lines.some(({ what, result }) => what === 'tags' && result !== 'ok' && result !== 'unknown');
  // Whoever is not let in at all lacks no right: nobody knows which ones there would be.
  if (!lacks(...RIGHTS) || judge(lines, null).refusal !== null) return [];
  const { roles } = account;
  const texts = account.policies?.({
    kind: 'iam',
    use,
    containers: [place.container],
    // Where a role is what is granted, tags need another one: only for them, and not before they were seen to be denied.
    withTags: settings.tags === 'preserve' && (roles === undefined || lacksTags),
    withRestore: use === 'read' && settings.archived !== 'report',
    withVersions: settings.versions === 'all',
    sourceAddresses: [],
    vpcEndpoints: [],
    trustedPrincipal: null,
    externalId: null,
    tags: {},
  });
  const pasted = (texts ?? []).map(({ title, text }) => ({ title, text, offered: null }));
  if (roles === undefined) return pasted;
  const role = {
    title: `Assign the role "${roles.nameFor(use)}" on "${place.container}"`,
    text: roles.command(place.container, use),
    offered: roles.assign === undefined ? null : ('assign-role' as const),
  };
  if (!lacksTags) return [role];
  const forTags = pasted.slice(0, 1).map((one) => ({
    ...one,
    title: `${one.title}: only because the job carries tags, which no smaller role may touch`,
  }));
  return lacks('list', 'read', 'write', 'delete') ? [role, ...forTags] : forTags;
}

/** With its line in the audit log, also where it is refused half-way: a role may be assigned by then. */
export async function assignRole(
  world: ControlWorld,
  openConnector: OpenConnector,
  actor: Actor,
  { job, ...ends }: JobFacts,
  side: 'source' | 'target',
  signal: AbortSignal,
): Promise<void> {
  const end = ends[side];
  const use = side === 'source' ? 'read' : 'write';
  const { account } = await openConnector(end.connectorId, world.openTransport);
  await using _closing = account;
  const { roles } = account;
  if (roles?.assign === undefined) {
    throw new DroverError('WRONG_STATE', `Drover cannot grant anything at "${end.fullPath}" by itself.`, {
      remedy: 'Paste or run what the permission check printed.',
    });
  }
  const outcome = await roles.assign(end.place.container, use, signal).then(
    () => ({ code: null, error: null }),
    (thrown: unknown) => ({ code: toDroverError(thrown).code, error: thrown }),
  );
  const audit = makeAudit(world.clock);
  const changes: Record<string, readonly [unknown, unknown]> = {
    side: [null, side],
    role: [null, roles.nameFor(use)],
    scope: [null, `${end.connectorName}: ${end.place.container}`],
  };
  if (outcome.code !== null) changes['refused'] = [null, outcome.code];
  const line = { action: 'job.grant', entityKind: 'job', entityId: job.id, entityName: job.name, changes };
  await world.db.transaction().execute((tx) => audit(tx, actor, line));
  if (outcome.error !== null) throw outcome.error;
}
