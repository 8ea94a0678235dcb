/** What a run will come to, from the last one or from counting, and what about that people should know before it begins. */
import type { Source } from '../../contract/provider.ts';
import { compileFilter } from '../../engine/filter.ts';
import { deleteCapText, emptySourceText } from '../../engine/mirror-guard.ts';
import { DroverError } from '../../model/errors.ts';
import type { Counters } from '../../model/outcome.ts';
import type { JobSettings, RunEstimate, RunKind } from '../entities.ts';
import type { ControlWorld, OpenConnector } from '../world.ts';
import type { CountedSource } from '../runs/expectation.ts';
import type { JobFacts } from './rows.ts';

/** What a migration job of the product that is followed here takes; Drover takes more, and people should know. */
const NOTABLE_ITEMS = 10_000_000;
/** From here on a run takes days on most lines, and its requests cost what somebody should have agreed to. */
const NOTABLE_BYTES = 100 * 1000 ** 4;
const NOTABLE_REQUESTS = 50_000_000;
const NOTABLE_MS = 3 * 24 * 3_600_000;
/** Without a last run: what a small object and a byte are taken to cost, from slow to fast. */
const SLOW = { itemsPerSecond: 150, bytesPerSecond: 20e6 };
const FAST = { itemsPerSecond: 1_500, bytesPerSecond: 200e6 };

/** What only compares says nothing about how long moving takes: each kind is measured by its own. */
export async function estimateFromLastRun(
  { db }: ControlWorld,
  { job }: JobFacts,
  kind: RunKind,
): Promise<RunEstimate | null> {
  const last = await db
    .selectFrom('runs')
    .select(['id', 'counters', 'requests', 'active_ms'])
    .where('job_id', '=', job.id)
    .where('state', 'in', ['succeeded', 'completed-with-issues'])
    .where('kind', '=', kind === 'retry' ? 'transfer' : kind)
    .orderBy('number', 'desc')
    .limit(1)
    .executeTakeFirst();
  if (last === undefined) return null;
  const { archived } = await db
    .selectFrom('run_items')
    .select((eb) => eb.fn.countAll<string>().as('archived'))
    .where('run_id', '=', last.id)
    .where('code', '=', 'ARCHIVED')
    .executeTakeFirstOrThrow();
  const { items, bytes } = last.counters as Counters;
  const requests = last.requests as Record<string, Record<string, number>>;
  const activeMs = Number(last.active_ms);
  return {
    basis: 'last-run',
    items: items.scanned,
    sizeBytes: bytes.scanned,
    archivedItems: Number(archived),
    requests: Object.values(requests)
      .flatMap((classes) => Object.values(classes))
      .reduce((total, count) => total + count, 0),
    lowMs: Math.round(activeMs * 0.5),
    highMs: Math.round(activeMs * 2),
  };
}

/** Lists the source once; nothing is read. What was counted is kept for the runs of the job. */
export async function counted(
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
  const sum = { items: 0, sizeBytes: 0, archivedItems: 0 };
  const all = { items: 0, sizeBytes: 0 };
  let pages = 0;
  for await (const page of opened.scan({ from: null, to: null, resume: null }, signal)) {
    pages += 1;
    for (const entry of page.entries) {
      // A folder that exists through its content alone is no object of the run.
      if (entry.isImplied) continue;
      all.items += 1;
      all.sizeBytes += entry.sizeBytes;
      if (leaveOut(entry) !== null) continue;
      sum.items += 1;
      sum.sizeBytes += entry.sizeBytes;
      if (entry.availability === 'archived') sum.archivedItems += 1;
    }
    if (!page.complete) continue;
    await keepCounted(world, job, { ...all, atMs: world.clock.now() });
    // What is read back comes over the same way once more.
    const passes = job.settings.verify === 'read-back' ? 2 : 1;
    const timeMs = ({ itemsPerSecond, bytesPerSecond }: typeof SLOW): number =>
      Math.round((sum.items / itemsPerSecond + (sum.sizeBytes * passes) / bytesPerSecond) * 1_000);
    return {
      basis: 'counted',
      ...sum,
      requests: pages * 2 + sum.items * (1 + passes),
      lowMs: timeMs(FAST),
      highMs: timeMs(SLOW),
    };
  }
  throw new DroverError('LISTING_INCOMPLETE', `The listing of "${source.fullPath}" broke off.`);
}

async function keepCounted({ db }: ControlWorld, job: JobFacts['job'], counted: CountedSource): Promise<void> {
  const { id, version } = job;
  const text = JSON.stringify(counted);
  // A job that was changed meanwhile may find something else.
  await db.updateTable('jobs').set({ counted: text }).where('id', '=', id).where('version', '=', version).execute();
}

const APART = 'Several jobs on parts of it are easier to watch and to repeat.';

/**
 * The target may hold something, and the job, which has not moved anything yet, would win over that (`overwrites`), or,
 * which has not run as a mirror yet, delete it (`deletes`).
 */
export function warningsOf(
  estimate: RunEstimate | null,
  settings: JobSettings,
  kind: RunKind,
  { overwrites, deletes }: { readonly overwrites: boolean; readonly deletes: boolean },
): readonly string[] {
  const moves = kind === 'transfer' || kind === 'retry';
  const warnings = estimate === null ? [] : warningsOfSize(estimate, settings, moves);
  if (moves && settings.verify === 'read-back') warnings.push(READ_BACK);
  if (deletes) warnings.push(deletesText(settings));
  if (overwrites) warnings.push(OVERWRITES);
  return warnings;
}

const READ_BACK =
  'Each object is read again from the target before it counts as copied. That takes about as many bytes and requests again, which the provider of the target may charge for.';

function deletesText(settings: JobSettings): string {
  const cap = deleteCapText(settings);
  const end =
    cap === null
      ? 'No limit is set to how many that may be.'
      : `If that is more than ${cap}, nothing is deleted and the run ends as failed.`;
  return `The target holds objects, or could not be looked into, and this job has not run as a mirror yet. It is a mirror: what the source does not have is deleted there, whoever put it there. ${end} Start a dry run first: it lists each object that would go.`;
}

const OVERWRITES =
  'The target holds objects, or could not be looked into. Where one of them has the name of an object of the source and other content, it is overwritten, also when it is newer. A dry run shows it; the setting for newer targets can leave it alone.';

function warningsOfSize(estimate: RunEstimate, settings: JobSettings, moves: boolean): string[] {
  const { items, sizeBytes, requests, lowMs, archivedItems } = estimate;
  const warnings: string[] = [];
  if (items === 0) {
    const end = settings.mode === 'mirror' ? ` ${emptySourceText(settings)}` : '';
    warnings.push(`The source holds nothing that the filters let through.${end}`);
  }
  if (items > NOTABLE_ITEMS) warnings.push(`This is more than ${count(NOTABLE_ITEMS)} objects. ${APART}`);
  if (sizeBytes > NOTABLE_BYTES) warnings.push(`This is more than 100 TB. ${APART}`);
  if (requests > NOTABLE_REQUESTS) {
    warnings.push(`It takes about ${count(requests)} requests, which both stores charge for.`);
  }
  if (lowMs > NOTABLE_MS) {
    warnings.push(`It takes ${Math.floor(lowMs / 86_400_000)} days at least. ${APART}`);
  }
  if (archivedItems > 0 && settings.archived === 'report') {
    warnings.push(
      `${count(archivedItems)} objects are archived and will be reported as unsupported, unless the job asks for their restore.`,
    );
  } else if (archivedItems > 0 && moves) {
    warnings.push(
      `${count(archivedItems)} objects are archived: the run asks for their restore, which the provider charges for and which takes hours or days.`,
    );
  }
  return warnings;
}

function count(value: number): string {
  return value.toLocaleString('en-US');
}
