/**
 * Whether a job could start now: permission by permission on both sides, exactly what to grant where not, what a run
 * will cost, and what looks wrong before it begins.
 */
import type { Account, CheckLine, Source, Use } from '../../contract/provider.ts';
import { compileFilter } from '../../engine/filter.ts';
import type { Counters } from '../../model/outcome.ts';
import { DroverError, toDroverError } from '../../model/errors.ts';
import type { Job, JobSettings, Preflight, RunEstimate } from '../entities.ts';
import { demand } from '../people/roles.ts';
import type { Jobs } from '../services.ts';
import type { ControlWorld, OpenConnector } from '../world.ts';
import { jobFacts, type EndFacts, type JobFacts } from './rows.ts';
import { outcomesOf } from './service.ts';

/** What both seeds name as the size up to which a job was tried; beyond it people should know. */
const NOTABLE_ITEMS = 100_000_000;
const NOTABLE_BYTES = 100 * 1000 ** 4;
/** Without a last run: what a small object and a byte are taken to cost, from slow to fast. */
const ITEMS_PER_SECOND = { slow: 150, fast: 1_500 };
const BYTES_PER_SECOND = { slow: 20e6, fast: 200e6 };

export function openPreflight(world: ControlWorld, openConnector: OpenConnector): Pick<Jobs, 'preflight' | 'grant'> {
  return {
    async preflight(actor, id, { count }, signal) {
      demand(actor, 'run');
      return examine(world, openConnector, await jobFacts(world.db, id), count, signal);
    },
    async grant(actor, id, side, signal) {
      demand(actor, 'connector-change');
      const facts = await jobFacts(world.db, id);
      await assign(world, openConnector, facts, side, signal);
      return examine(world, openConnector, facts, false, signal);
    },
  };
}

async function examine(
  world: ControlWorld,
  openConnector: OpenConnector,
  facts: JobFacts,
  count: boolean,
  signal: AbortSignal,
): Promise<Preflight> {
  const { job, source, target } = facts;
  const [sourceSide, targetSide] = await Promise.all([
    examineSide(world, openConnector, source, 'read', job, signal),
    examineSide(world, openConnector, target, targetUse(job.settings), job, signal),
  ]);
  const estimate =
    (await estimateFromLastRun(world, facts)) ?? (count ? await counted(world, openConnector, facts, signal) : null);
  const ok = ![...sourceSide.lines, ...targetSide.lines].some(({ result }) => result === 'refused');
  return {
    ok,
    source: sourceSide.lines,
    target: targetSide.lines,
    grants: [
      ...sourceSide.grants.map((grant) => ({ side: 'source' as const, ...grant })),
      ...targetSide.grants.map((grant) => ({ side: 'target' as const, ...grant })),
    ],
    concessions: outcomesOf(world, source, target, job.settings),
    warnings: warningsOf(estimate, job.settings),
    estimate,
  };
}

/** A mirror deletes, and replacing under a condition reads what is there. */
function targetUse({ mode }: JobSettings): Use {
  return mode === 'mirror' ? 'both' : 'write';
}

interface SideReport {
  readonly lines: readonly CheckLine[];
  readonly grants: readonly { readonly title: string; readonly text: string; readonly offered: 'assign-role' | null }[];
}

async function examineSide(
  world: ControlWorld,
  openConnector: OpenConnector,
  end: EndFacts,
  use: Use,
  { id: jobId, settings }: Job,
  signal: AbortSignal,
): Promise<SideReport> {
  const lines: CheckLine[] = [];
  try {
    const { account } = await openConnector(end.connectorId, world.openTransport);
    await using _closing = account;
    for await (const line of account.check(end.place, use, signal)) lines.push(line);
    if (use === 'read' && !lines.some(({ result }) => result === 'refused')) {
      lines.push(...(await nothingThere(world, account, end, jobId, signal)));
    }
    const isRefused = lines.some(({ result }) => result === 'refused');
    return { lines, grants: isRefused ? grantsOf(account, end, use, settings) : [] };
  } catch (thrown) {
    const error = toDroverError(thrown);
    if (error.code === 'CANCELLED') throw error;
    lines.push({
      what: 'network',
      result: 'refused',
      message: error.message,
      field: error.field,
      remedy: error.remedy,
    });
    return { lines, grants: [] };
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
      what: 'list',
      result: before === undefined ? 'refused' : 'warning',
      message: `There is nothing at "${fullPath}".`,
      field: null,
      remedy: 'Check the path of the source; keys compare letter by letter. Sub-paths are fixed, so make another job.',
    },
  ];
}

/** Ready to paste, for exactly this place. */
function grantsOf(account: Account, { place }: EndFacts, use: Use, settings: JobSettings): SideReport['grants'] {
  const texts = account.policies?.({
    kind: 'iam',
    use,
    containers: [place.container],
    withTags: settings.tags === 'preserve',
    withRestore: settings.archived !== 'report',
    withVersions: settings.versions === 'all',
    sourceAddresses: [],
    vpcEndpoints: [],
    trustedPrincipal: null,
    externalId: null,
    tags: {},
  });
  const pasted = (texts ?? []).map(({ title, text }) => ({ title, text, offered: null }));
  const { roles } = account;
  if (roles === undefined) return pasted;
  const title = `Assign the role "${roles.nameFor(use)}" on "${place.container}"`;
  const offered = roles.assign === undefined ? null : ('assign-role' as const);
  return [...pasted, { title, text: roles.command(place.container, use), offered }];
}

async function assign(
  world: ControlWorld,
  openConnector: OpenConnector,
  facts: JobFacts,
  side: 'source' | 'target',
  signal: AbortSignal,
): Promise<void> {
  const end = facts[side];
  const use = side === 'source' ? 'read' : targetUse(facts.job.settings);
  const { account } = await openConnector(end.connectorId, world.openTransport);
  await using _closing = account;
  if (account.roles?.assign === undefined) {
    throw new DroverError('WRONG_STATE', `Drover cannot grant anything at "${end.fullPath}" by itself.`, {
      remedy: 'Paste or run what the permission check printed.',
    });
  }
  await account.roles.assign(end.place.container, use, signal);
}

async function estimateFromLastRun(world: ControlWorld, { job }: JobFacts): Promise<RunEstimate | null> {
  const last = await world.db
    .selectFrom('runs')
    .select(['counters', 'requests', 'active_ms'])
    .where('job_id', '=', job.id)
    .where('state', 'in', ['succeeded', 'completed-with-issues'])
    .where('kind', 'in', ['transfer', 'dry-run'])
    .orderBy('number', 'desc')
    .limit(1)
    .executeTakeFirst();
  if (last === undefined) return null;
  const { items, bytes } = last.counters as Counters;
  const requests = last.requests as Record<string, Record<string, number>>;
  const sum = Object.values(requests).flatMap((classes) => Object.values(classes));
  const activeMs = Number(last.active_ms);
  return {
    basis: 'last-run',
    items: items.scanned,
    sizeBytes: bytes.scanned,
    archivedItems: 0,
    requests: sum.reduce((total, count) => total + count, 0),
    lowMs: Math.round(activeMs * 0.5),
    highMs: Math.round(activeMs * 2),
  };
}

/** Lists the source once; nothing is read. */
async function counted(
  world: ControlWorld,
  openConnector: OpenConnector,
  { job, source }: JobFacts,
  signal: AbortSignal,
): Promise<RunEstimate> {
  const { account } = await openConnector(source.connectorId, world.openTransport);
  await using closing = new AsyncDisposableStack();
  closing.use(account);
  const opened: Source = await account.source(source.place, { versions: job.settings.versions }, signal);
  closing.use(opened);
  const leaveOut = compileFilter(job.settings.filter, world.clock.now());
  let items = 0;
  let sizeBytes = 0;
  let archivedItems = 0;
  let pages = 0;
  for await (const page of opened.scan({ from: null, to: null, resume: null }, signal)) {
    pages += 1;
    for (const entry of page.entries) {
      if (leaveOut(entry) !== null) continue;
      items += 1;
      sizeBytes += entry.sizeBytes;
      if (entry.availability === 'archived') archivedItems += 1;
    }
    if (page.complete) {
      const speed = ({ items: i, bytes: b }: { items: number; bytes: number }): number =>
        Math.round((items / i + sizeBytes / b) * 1_000);
      return {
        basis: 'counted',
        items,
        sizeBytes,
        archivedItems,
        requests: pages * 2 + items * 2,
        lowMs: speed({ items: ITEMS_PER_SECOND.fast, bytes: BYTES_PER_SECOND.fast }),
        highMs: speed({ items: ITEMS_PER_SECOND.slow, bytes: BYTES_PER_SECOND.slow }),
      };
    }
  }
  throw new DroverError('LISTING_INCOMPLETE', `The listing of "${source.fullPath}" broke off.`);
}

function warningsOf(estimate: RunEstimate | null, settings: JobSettings): readonly string[] {
  const warnings: string[] = [];
  if (estimate === null) return warnings;
  if (estimate.items === 0) {
    const end = settings.mode === 'mirror' ? ' A mirror refuses to delete everything because of it.' : '';
    warnings.push(`The source holds nothing that the filters let through.${end}`);
  }
  if (estimate.items > NOTABLE_ITEMS) {
    warnings.push(
      'This is more than a hundred million objects. Several jobs on parts of it are easier to watch and to repeat.',
    );
  }
  if (estimate.sizeBytes > NOTABLE_BYTES) {
    warnings.push('This is more than 100 TB. Several jobs on parts of it are easier to watch and to repeat.');
  }
  if (estimate.archivedItems > 0 && settings.archived === 'report') {
    warnings.push(
      `${estimate.archivedItems} objects are archived and will be reported as unsupported, unless the job asks for their restore.`,
    );
  }
  return warnings;
}
