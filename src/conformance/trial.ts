/** Runs one check against one provider, on a bench of its own. */
import { randomBytes } from 'node:crypto';
import type { Source, Target } from '../contract/provider.ts';
import { FaultTransport } from './faults.ts';
import { nameOf, NotApplicable, type Bench, type Check, type Harness, type Trial } from './harness.ts';
import type { MatrixRow } from './matrix.ts';

export type Verdict = { readonly result: 'pass' } | { readonly result: 'not applicable'; readonly reason: string };

/** `production`: through the wrappers that the harness names. Throws what the check throws. */
export async function runCheck(check: Check, harness: Harness, pass: 'plain' | 'production'): Promise<Verdict> {
  const { manifest } = harness.provider;
  const reason = check.unless?.(manifest, harness) ?? null;
  if (reason !== null) return { result: 'not applicable', reason };
  const production = pass === 'production' ? (harness.production ?? null) : null;
  const transport = new FaultTransport();
  // Faults stand below what production puts around a transport.
  let isWrapped = false;
  const bench = await harness.open((open) => {
    isWrapped = true;
    return production?.wrap(transport.wrap(open)) ?? transport.wrap(open);
  });
  const opened: AsyncDisposable[] = [];
  const controller = new AbortController();
  const trial: Trial = {
    harness,
    manifest,
    bench,
    account: bench.account,
    place: bench.place,
    signal: controller.signal,
    faults: bench.faults ?? (isWrapped ? transport : null),
    openReadings: () => bench.openReadings?.() ?? transport.openBodies,
    retry: production === null ? null : (work, signal) => production.retry(work, signal),
    async source(place = bench.place): Promise<Source> {
      return kept(opened, await bench.account.source(place, { versions: 'current' }, controller.signal));
    },
    async target(options = {}, account = bench.account): Promise<Target> {
      const whole = { facts: null, runId: runIdOf(bench), ...options };
      return kept(opened, await account.target(bench.place, whole, controller.signal));
    },
  };
  try {
    await check.run(trial);
    return { result: 'pass' };
  } catch (thrown) {
    if (thrown instanceof NotApplicable) return { result: 'not applicable', reason: thrown.message };
    throw thrown;
  } finally {
    for (const each of opened.toReversed()) await each[Symbol.asyncDispose]();
    await bench[Symbol.asyncDispose]();
  }
}

const runIds = new WeakMap<Bench, string>();

/** One run per bench, so that what is left of it can be found again. */
export function runIdOf(bench: Bench): string {
  const before = runIds.get(bench);
  if (before !== undefined) return before;
  const made = `kit${randomBytes(6).toString('hex')}`;
  runIds.set(bench, made);
  return made;
}

function kept<T extends AsyncDisposable>(opened: AsyncDisposable[], each: T): T {
  opened.push(each);
  return each;
}

/** The row of the matrix, and the error that the test has to end with. An exemption that is not needed is one. */
export async function judged(
  check: Check,
  harness: Harness,
  pass: 'plain' | 'production',
): Promise<{ readonly row: MatrixRow; readonly error: unknown }> {
  const exemption = harness.exempt?.[nameOf(check)] ?? null;
  const rowOf = (result: MatrixRow['result'], reason: string | null): MatrixRow => {
    return { suite: check.suite, name: check.name, pass, result, reason };
  };
  try {
    const verdict = await runCheck(check, harness, pass);
    if (exemption === null) {
      const reason = verdict.result === 'not applicable' ? verdict.reason : null;
      return { row: rowOf(verdict.result, reason), error: null };
    }
  } catch (thrown) {
    if (exemption !== null) return { row: rowOf('exempt', exemption), error: null };
    return { row: rowOf('fail', thrown instanceof Error ? thrown.message : String(thrown)), error: thrown };
  }
  const words = `Remove the exemption "${nameOf(check)}": it is not needed any more.`;
  return { row: rowOf('fail', words), error: new Error(words) };
}
