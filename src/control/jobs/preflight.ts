/**
 * Whether a job could start now: permission by permission on both sides, exactly what to grant where not, what a run
 * will cost, and what looks wrong before it begins.
 */
import type { Preflight, RunKind } from '../entities.ts';
import { demand } from '../people/roles.ts';
import type { Jobs } from '../services.ts';
import type { ControlWorld, OpenConnector } from '../world.ts';
import { counted, estimateFromLastRun, warningsOf } from './estimate.ts';
import { jobFacts, type JobFacts } from './rows.ts';
import { outcomesOf } from './service.ts';
import { assignRole, examineSides } from './sides.ts';

export function openPreflight(world: ControlWorld, openConnector: OpenConnector): Pick<Jobs, 'preflight' | 'grant'> {
  return {
    async preflight(actor, id, options, signal) {
      demand(actor, 'run');
      return examine(world, openConnector, await jobFacts(world.db, id), options, signal);
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
  const ok = ![...sides.source.lines, ...sides.target.lines].some(({ result }) => result === 'refused');
  // What cannot be listed cannot be counted, and its refusal says so already.
  const canCount = count && !sides.source.lines.some(({ result }) => result === 'refused');
  const estimate = canCount
    ? await counted(world, openConnector, facts, signal)
    : await estimateFromLastRun(world, facts, kind);
  return {
    ok,
    source: sides.source.lines,
    target: sides.target.lines,
    grants: (['source', 'target'] as const).flatMap((side) => sides[side].grants.map((grant) => ({ side, ...grant }))),
    concessions: outcomesOf(world, source, target, job.settings),
    warnings: warningsOf(estimate, job.settings, kind, await isFirst(world, job.id)),
    estimate,
  };
}

async function isFirst({ db }: ControlWorld, jobId: string): Promise<boolean> {
  const run = await db
    .selectFrom('runs')
    .select('id')
    .where('job_id', '=', jobId)
    .where('kind', '=', 'transfer')
    .where('state', 'in', ['succeeded', 'completed-with-issues'])
    .limit(1)
    .executeTakeFirst();
  return run === undefined;
}
