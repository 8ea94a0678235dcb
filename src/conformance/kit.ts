/**
 * The kit that every provider passes: one test for each sentence of the contract.
 * A provider's test is one call of `conformance`.
 */
import { afterAll, describe, test } from 'vitest';
import { checksOf } from './checks.ts';
import { nameOf, type Check, type Harness } from './harness.ts';
import { writeMatrix, type MatrixRow } from './matrix.ts';
import { judged } from './trial.ts';

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
    const count = checks.length * (harness.production === undefined ? 1 : 2);
    // A run of some tests only says nothing about the others.
    afterAll(() => {
      if (rows.length === count) writeMatrix(harness, inKitOrder(rows, checks));
    });
  });
}

function register(harness: Harness, checks: readonly Check[], pass: 'plain' | 'production', rows: MatrixRow[]): void {
  const applicable = checks.filter((check) => {
    const reason = check.unless?.(harness.provider.manifest, harness) ?? null;
    if (reason === null) return true;
    rows.push({ suite: check.suite, name: check.name, pass, result: 'not applicable', reason });
    return false;
  });
  for (const suite of new Set(applicable.map((check) => check.suite))) {
    describe(suite, () => {
      for (const check of applicable.filter((each) => each.suite === suite)) {
        test(check.name, (context) => runOne(check, harness, pass, rows, context.skip));
      }
    });
  }
}

async function runOne(
  check: Check,
  harness: Harness,
  pass: 'plain' | 'production',
  rows: MatrixRow[],
  skip: (reason: string) => void,
): Promise<void> {
  const { row, error } = await judged(check, harness, pass);
  rows.push(row);
  if (error !== null) throw error;
  if (row.result === 'not applicable') skip(row.reason ?? '');
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
