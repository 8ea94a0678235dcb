/**
 * The kit that every provider passes: one test for each sentence of the contract.
 * A provider's test is one call of `conformance`.
 */
import { afterAll, describe, test } from 'vitest';
import { checksOf } from './checks.ts';
import { nameOf, type Check, type Harness } from './harness.ts';
import { writeMatrix, type MatrixRow } from './matrix.ts';
import { runCheck } from './trial.ts';

export { FaultTransport, type FaultKind, type Faults } from './faults.ts';
export type { Bench, Check, ErrorRow, Harness, Level, Trial, Wrap } from './harness.ts';

/** Registers all suites, plain and again through the production wrappers, and writes the matrix at the end. */
export function conformance(harness: Harness): void {
  const checks = checksOf(harness);
  const rows: MatrixRow[] = [];
  describe(`${harness.name} (${harness.level})`, () => {
    registerExemptions(harness, checks);
    register(harness, checks, 'plain', rows);
    if (harness.production !== undefined) {
      describe('through the production wrappers', () => register(harness, checks, 'production', rows));
    }
    afterAll(() => writeMatrix(harness, inKitOrder(rows, checks)));
  });
}

function register(harness: Harness, checks: readonly Check[], pass: 'plain' | 'production', rows: MatrixRow[]): void {
  for (const suite of new Set(checks.map((check) => check.suite))) {
    describe(suite, () => {
      for (const check of checks.filter((each) => each.suite === suite)) {
        const settle = (result: MatrixRow['result'], reason: string | null = null): void => {
          rows.push({ suite, name: check.name, pass, result, reason });
        };
        const inapplicable = check.unless?.(harness.provider.manifest, harness) ?? null;
        if (inapplicable !== null) settle('not applicable', inapplicable);
        else test(check.name, (context) => runOne(check, harness, pass, settle, (reason) => context.skip(reason)));
      }
    });
  }
}

async function runOne(
  check: Check,
  harness: Harness,
  pass: 'plain' | 'production',
  settle: (result: MatrixRow['result'], reason?: string | null) => void,
  skip: (reason: string) => void,
): Promise<void> {
  const exemption = harness.exempt?.[nameOf(check)] ?? null;
  let reason: string | null = null;
  try {
    const verdict = await runCheck(check, harness, pass);
    if (verdict.result === 'not applicable') reason = verdict.reason;
  } catch (thrown) {
    settle(exemption === null ? 'fail' : 'exempt', exemption);
    if (exemption === null) throw thrown;
    return;
  }
  if (exemption !== null) {
    settle('fail', 'The exemption is not needed any more.');
    throw new Error(`Remove the exemption "${nameOf(check)}": the check passes.`);
  }
  settle(reason === null ? 'pass' : 'not applicable', reason);
  if (reason !== null) skip(reason);
}

function registerExemptions(harness: Harness, checks: readonly Check[]): void {
  const names = new Set(checks.map(nameOf));
  for (const name of Object.keys(harness.exempt ?? {})) {
    if (names.has(name)) continue;
    test(`exemption "${name}"`, () => {
      throw new Error(`There is no check "${name}" to be exempt from.`);
    });
  }
}

function inKitOrder(rows: readonly MatrixRow[], checks: readonly Check[]): readonly MatrixRow[] {
  const places = new Map(checks.map((check, at) => [nameOf(check), at]));
  const placeOf = (row: MatrixRow): number =>
    (places.get(`${row.suite}: ${row.name}`) ?? 0) + (row.pass === 'plain' ? 0 : checks.length);
  return rows.toSorted((a, b) => placeOf(a) - placeOf(b));
}
