/** `verify RUN`: is what a finished run recorded still at the target? */
import { verifyRun, type VerifyDifference } from '../../engine/verify.ts';
import type { RunRecord } from '../../engine/ports.ts';
import { DroverError } from '../../model/errors.ts';
import { ZERO_COUNTERS } from '../../model/outcome.ts';
import { EXIT } from '../exit.ts';
import { countsOf, openSide } from '../requests.ts';
import { openTargetAccount } from '../run-target.ts';
import type { CommandEnd, Session } from '../session.ts';
import { visible } from '../terminal.ts';
import { OBJECTS, sizeAlone } from '../texts.ts';

const SAY_EVERY_MS = 10_000;

export async function verify(session: Session, runId: string): Promise<CommandEnd> {
  await using cleanup = new AsyncDisposableStack();
  const state = await session.state();
  const run = await findRun(session, runId);
  const { target: end, policy } = run.definition;
  if (policy.mode === 'check' || policy.dryRun) {
    throw new DroverError('INVALID_INPUT', `Run ${run.runId} wrote nothing, so there is nothing to verify.`, {
      field: 'RUN',
      remedy: 'Name a run of "drover copy" or "drover sync"; "drover runs" lists them.',
    });
  }
  const side = openSide(session);
  const account = cleanup.use(await openTargetAccount(session, run, side));
  const facts = await state.facts.get(account.fingerprint, end.place.container);
  const target = cleanup.use(await account.target(end.place, { facts, runId: run.runId }, session.signal));
  const { clock, random } = session.world;
  const differing: VerifyDifference[] = [];
  const result = await verifyRun(
    run,
    target,
    {
      clock,
      random,
      log: session.log,
      store: state.store,
      artifacts: state.artifacts,
      worker: 'cli',
      requests: () => countsOf(null, side),
    },
    {
      signal: session.signal,
      onProgress: sayChecked(session),
      onDifference: (difference) => differing.push(difference),
    },
  );
  for (const difference of differing) {
    await session.terminal.record({ type: 'difference', ...difference });
    await session.terminal.print(
      `  ${difference.result.padEnd(9)}  ${visible(difference.targetKey)}  ${difference.details}`,
    );
  }

  const differences = result.missing + result.different;
  const { sizeOnly } = result;
  const isUnproved = sizeOnly > 0 && !policy.acceptV0;
  const { format, terminal } = session;
  await terminal.print(
    differences === 0
      ? `${isUnproved ? '!' : 'ok'}  ${format.plural(result.checked, {
          one: '# object is at the target as recorded.',
          other: '# objects are at the target as recorded.',
        })} 0 differences.`
      : `${format.plural(differences, { one: '# difference', other: '# differences' })} in ` +
          `${format.plural(result.checked, OBJECTS)}: ${format.count(result.missing)} missing, ` +
          `${format.count(result.different)} different from what run ${run.runId} recorded.`,
  );
  if (sizeOnly > 0) await terminal.print(`  ${sizeAlone(sizeOnly, format)}`);
  if (isUnproved) {
    await terminal.print('  Prove them    the copy again with --verify read-back, which reads them on both sides');
  }
  return {
    exit: differences > 0 ? EXIT.DIFFERENT : isUnproved ? EXIT.ITEMS_FAILED : EXIT.FINE,
    summary: {
      runId: run.runId,
      state: 'succeeded',
      counters: {
        ...ZERO_COUNTERS,
        items: { ...ZERO_COUNTERS.items, scanned: result.checked },
        bytes: { ...ZERO_COUNTERS.bytes, scanned: result.checkedBytes },
        sameWeak: sizeOnly,
        differences: { missing: result.missing, extra: 0, different: result.different },
      },
      requests: countsOf(null, side),
      durationMs: session.elapsedMs,
      error: null,
    },
  };
}

function sayChecked(session: Session): (checked: number) => void {
  const { clock } = session.world;
  let saidAtMs = clock.monotonic();
  return (checked) => {
    if (clock.monotonic() - saidAtMs < SAY_EVERY_MS) return;
    saidAtMs = clock.monotonic();
    void session.terminal.say(`checking  ${session.format.plural(checked, OBJECTS)}`);
  };
}

/** INVALID_INPUT when there is none of that id. */
export async function findRun(session: Session, runId: string): Promise<RunRecord> {
  const state = await session.state();
  const run = await state.store.getRun(runId.toLowerCase());
  if (run !== null) return run;
  throw new DroverError('INVALID_INPUT', `There is no run "${runId}" in this state folder.`, {
    field: 'RUN',
    remedy: 'List the runs with "drover runs", or name their folder with --state.',
  });
}
