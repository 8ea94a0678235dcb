/** What the conformance kit observed, checked in so that a reader without the servers has it. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Level } from '../../src/conformance/harness.ts';
import { MATRIX_FOLDER, type Matrix, type MatrixRow } from '../../src/conformance/matrix.ts';

export const OBSERVED_FOLDER = join('docs', 'reference', 'observed');

export interface Observation {
  readonly name: string;
  readonly provider: string;
  readonly level: Level;
  readonly checks: readonly ObservedCheck[];
}

export interface ObservedCheck {
  /** `suite: name`. */
  readonly check: string;
  readonly plain: MatrixRow['result'];
  /** Through the wrappers of production, where the kit ran so. */
  readonly production?: MatrixRow['result'];
  readonly reason?: string;
}

/** Takes over every whole and faultless run of the kit; says what it did with each. */
export function takeObservations(root: string): string[] {
  const folder = join(root, MATRIX_FOLDER);
  if (!existsSync(folder)) return ['The kit has not run here.'];
  mkdirSync(join(root, OBSERVED_FOLDER), { recursive: true });
  return readdirSync(folder)
    .filter((file) => file.endsWith('.json'))
    .toSorted()
    .map((file) => {
      const matrix = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Matrix;
      const fault = whyNot(matrix);
      if (fault !== null) return `${file}: not taken, ${fault}`;
      writeFileSync(join(root, OBSERVED_FOLDER, file), serialize(compact(matrix)));
      return `${file}: taken`;
    });
}

export function readObservations(root: string): Observation[] {
  const folder = join(root, OBSERVED_FOLDER);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((file) => file.endsWith('.json'))
    .toSorted()
    .map((file) => JSON.parse(readFileSync(join(folder, file), 'utf8')) as Observation);
}

export function compact(matrix: Matrix): Observation {
  const checks = new Map<string, ObservedCheck>();
  for (const row of matrix.rows) {
    const check = `${row.suite}: ${row.name}`;
    const before = checks.get(check);
    const reason = before?.reason ?? (row.reason === null ? undefined : withoutParticulars(row.reason));
    checks.set(check, {
      ...(before ?? { check, plain: row.result }),
      ...(row.pass === 'production' ? { production: row.result } : {}),
      ...(reason === undefined ? {} : { reason }),
    });
  }
  return { name: matrix.name, provider: matrix.provider, level: matrix.level, checks: [...checks.values()] };
}

function whyNot(matrix: Matrix): string | null {
  const suites = new Set(matrix.rows.map((row) => row.suite));
  // A run of some tests only would look like a poor provider.
  if (suites.size < 8) return 'it is not a whole run of the kit';
  const failed = matrix.rows.filter((row) => row.result === 'fail').map((row) => `${row.suite}: ${row.name}`);
  return failed.length === 0 ? null : `these failed: ${failed.join('; ')}`;
}

/** Names that a run made up must not make each run look different. */
function withoutParticulars(reason: string): string {
  return reason.replaceAll(/\b[0-9a-f]{8,}\b/g, '…').replaceAll(/\b[\w-]*\d{6,}[\w-]*\b/g, '…');
}

/** One line for each check: small, and a change shows as a line. */
function serialize(observation: Observation): string {
  const { checks, ...head } = observation;
  const lines = checks.map((check) => `    ${JSON.stringify(check)}`).join(',\n');
  return `${JSON.stringify(head, null, 2).slice(0, -2)},\n  "checks": [\n${lines}\n  ]\n}\n`;
}
